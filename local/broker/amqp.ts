import type { Socket } from "node:net";
import type { Connection, Delivery, EventContext, Receiver, Sender, Typed } from "rhea";
import rhea from "rhea";
import { badArgument } from "./broker-error.ts";

/**
 * Types the few parts of rhea that its typings leave out, and reaches below its API where a server has to. Nothing else
 * in the broker touches rhea's internals. `Reflect.get` is used because the typings don't know these members.
 */

interface AmqpReader {
  position: number;
  read(): Typed;
  read_constructor(): { typecode: number; descriptor?: Typed };
  remaining(): number;
}
interface AmqpWriter {
  write(value: Typed): void;
  toBuffer(): Buffer;
}
const Reader: { new (buffer: Buffer): AmqpReader; readonly prototype: object } = Reflect.get(rhea.types, "Reader");
const Writer: new () => AmqpWriter = Reflect.get(rhea.types, "Writer");

interface Outcome {
  described(): unknown;
}
const accepted: () => Outcome = Reflect.get(rhea.message, "accepted");
const rejected: (fields: { error: { condition: string; description: string } }) => Outcome = Reflect.get(
  rhea.message,
  "rejected",
);

/** Reads encoded values without unwrapping them, so that every AMQP type survives. */
export function readerOf(buffer: Buffer): AmqpReader {
  return new Reader(buffer);
}

type ReadItems = (this: AmqpReader, count: number, type: { readonly width: number }) => unknown[];
let refusesEndlessArrays = false;

/**
 * Makes rhea refuse an array that claims more items than it has bytes. Items without width take no bytes, so that ten
 * bytes can claim milliards of them. rhea would build them all, and serve no other client until the memory is full.
 */
export function refuseEndlessArrays(): void {
  if (refusesEndlessArrays) return;
  refusesEndlessArrays = true;
  const readItems: ReadItems = Reflect.get(Reader.prototype, "read_array_items");
  const readFew: ReadItems = function readArrayItems(count, type) {
    if (count > 0 && (type.width === 0 || count > this.remaining()))
      throw badArgument(`AMQP can't be decoded: an array that claims to have ${count} items has not so many bytes.`);
    return readItems.call(this, count, type);
  };
  Reflect.set(Reader.prototype, "read_array_items", readFew);
}

/** Encodes values one after the other into a buffer of their own. */
export function encode(...values: Typed[]): Buffer {
  const writer = new Writer();
  for (const value of values) writer.write(value);
  return Buffer.from(writer.toBuffer());
}

/** A section of a message: a value behind a numeric descriptor. */
export function section(code: number, value: Typed): Typed {
  return rhea.types.described_nc(rhea.types.wrap_ulong(code), value);
}

/** The items of a list, or the keys and values of a map in turn. Empty if the value is neither. */
export function itemsOf(compound: Typed | undefined): Typed[] {
  const items: unknown = compound?.value;
  return Array.isArray(items) ? items : [];
}

/** The format that raw messages are marked with. It may be any but 0, which rhea decodes, and the batch format. */
const RAW_FORMAT = 1;
/** The format of a message that carries a batch of messages in its data sections. */
const BATCH_FORMAT = 0x80013700;

interface TransferFrame {
  readonly performative: { message_format?: number };
}

/**
 * Makes a session hand over the bytes of every message. rhea would decode them, and their exact types would be gone.
 */
export function receiveRaw(context: EventContext): void {
  const session = present(context.session);
  const original: (frame: TransferFrame) => void = Reflect.get(session, "on_transfer");
  Reflect.set(session, "on_transfer", (frame: TransferFrame) => {
    if (!frame.performative.message_format) frame.performative.message_format = RAW_FORMAT;
    original.call(session, frame);
  });
}

/** A message as `receiveRaw` hands it over. */
export function rawMessage(context: EventContext): Buffer {
  const message: unknown = context.message;
  if (Buffer.isBuffer(message)) return message;
  throw badArgument("The message is not an AMQP message.");
}

/** The messages that were sent in one transfer. A batch has several, each as its sender encoded it. */
export function rawMessages(context: EventContext): Buffer[] {
  const raw = rawMessage(context);
  if (deliveryOf(context).format !== BATCH_FORMAT) return [raw];
  const content: Buffer | Buffer[] = rhea.message.decode(raw)["body"].content;
  return Array.isArray(content) ? content : [content];
}

/**
 * These return the parts of an event that rhea declares optional for all events, but always gives with the events that
 * we use them for.
 */
export const deliveryOf = (context: EventContext): Delivery => present(context.delivery);
export const senderOf = (context: EventContext): Sender => present(context.sender);
export const receiverOf = (context: EventContext): Receiver => present(context.receiver);

/** The port at the other end of a connection; 0 if the connection is closed. */
export function peerPort(connection: Connection): number {
  const socket: Socket | undefined = Reflect.get(connection, "socket");
  return socket?.remotePort ?? 0;
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("rhea gave an event without the part that the event is about");
  return value;
}

/**
 * How many more messages this link may be given, within rhea's buffer: its credit, less the messages that wait for its
 * session's window.
 */
export function roomOf(sender: Sender): number {
  const outgoing: { available(): number; next_delivery_id: number; next_pending_delivery: number } = Reflect.get(
    sender.session,
    "outgoing",
  );
  const credit: number = Reflect.get(sender, "credit");
  return Math.min(credit - (outgoing.next_delivery_id - outgoing.next_pending_delivery), outgoing.available());
}

/**
 * Makes a link settle messages as it sends them (receive-and-delete, replies). Must be called before the link's attach
 * is answered.
 */
export function sendSettled(sender: Sender): void {
  const local: { attach: { snd_settle_mode: number } } = Reflect.get(sender, "local");
  local.attach.snd_settle_mode = 1;
}

/**
 * Answers a link's attach with the client's own way to settle, because some clients break off if it is another. Must be
 * called before the attach is answered.
 */
export function settleAsAsked(sender: Sender): void {
  const local: { attach: { rcv_settle_mode: number } } = Reflect.get(sender, "local");
  local.attach.rcv_settle_mode = sender.rcv_settle_mode ?? 0;
}

interface DrainState {
  credit: number;
  delivery_count: number;
  _draining: boolean;
  _drained: boolean;
}

/**
 * Answers every drain, also one that crossed the last message on the wire. rhea itself keeps silent when no credit is
 * left.
 */
export function answerDrains(sender: Sender): void {
  Reflect.set(sender, "_get_drain", function answer(this: DrainState): boolean {
    if (!this._draining || !this._drained) return false;
    this.delivery_count += this.credit;
    this.credit = 0;
    this._draining = false;
    return true;
  });
}

/** Tells the peer that its drain, if it asked for one, is over. */
export function endDrain(sender: Sender): void {
  if (Reflect.get(sender, "_draining") !== true) return;
  sender.set_drained(true);
  // Outside of an event rhea does not look for data that it has to write.
  sender.connection["_register"]();
}

/** Confirms a settlement, and frees its slot. The peer says nothing more about a delivery that was settled this way. */
export function confirmSettlement(delivery: Delivery): void {
  delivery.update(true, accepted().described());
  Reflect.set(delivery, "remote_settled", true);
}

/**
 * Refuses a settlement, in a turn of its own. rhea merges neighbouring deliveries that are answered in one turn, so the
 * refusal would swallow a confirmation, or be swallowed by one.
 */
export function refuseSettlement(delivery: Delivery, condition: string, description: string): void {
  setImmediate(() => {
    delivery.update(true, rejected({ error: { condition, description } }).described());
    Reflect.set(delivery, "remote_settled", true);
  });
}
