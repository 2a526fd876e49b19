import { connect } from "node:net";
import type { Delivery, EventContext, Message, Typed } from "rhea";
import rhea from "rhea";
import { encode, itemsOf, rawMessage, readerOf, receiveRaw, section } from "../../local/broker/amqp.ts";
import { signedToken } from "./signed-token.ts";

/** The format of one message. rhea encodes a message that comes without a format. */
const ENCODED = 0;
const LIST_BYTES = 9;

/**
 * Sends one AMQP message of any content, because the Service Bus SDK knows few types. Bytes are a message that is
 * encoded already.
 */
export async function sendRaw(port: number, address: string, message: Message | Buffer): Promise<void> {
  const connection = rhea.create_container().connect({ host: "127.0.0.1", port, reconnect: false });
  await new Promise<void>((resolve, reject) => {
    connection.open_sender(address);
    const format = message instanceof Buffer ? ENCODED : undefined;
    connection.once("sendable", (context: EventContext) => context.sender?.send(message, undefined, format));
    connection.once("accepted", () => resolve());
    connection.once("rejected", () => reject(new Error("The broker rejected the message.")));
    connection.once("disconnected", () => reject(new Error("The broker ended the connection.")));
  }).finally(() => connection.close());
}

/** Opens a link to send on, without a token. Rejects with the broker's error if it is refused. */
export async function openRaw(port: number, address: string): Promise<void> {
  const connection = rhea.create_container().connect({ host: "127.0.0.1", port, reconnect: false });
  await new Promise<void>((resolve, reject) => {
    connection.open_sender(address);
    connection.once("sendable", () => resolve());
    connection.once("sender_error", ({ sender }: EventContext) => reject(sender?.error));
  }).finally(() => connection.close());
}

/** Writes bytes to a port. Resolves when the server ends the connection. */
export async function sendBytes(port: number, sent: Buffer): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", () => socket.write(sent));
    socket.once("end", resolve);
    socket.once("error", reject);
    socket.resume();
  }).finally(() => socket.destroy());
}

/** A list in a list, nested this deep. It is encoded from within, because encoders recurse as decoders do. */
export function nested(depth: number): Buffer {
  const lists = Array.from({ length: depth }, (_, level) => listOfOne(1 + level * LIST_BYTES));
  return Buffer.concat([...lists.toReversed(), bytes("45")]);
}

/** The bytes of hexadecimal digits, such as `d0 00000063`. */
export function bytes(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(" ", ""), "hex");
}

/** A message with these properties and, as the value of its body, these bytes. */
export function messageOf(properties: Readonly<Record<string, string>>, value: Buffer): Buffer {
  return Buffer.concat([encode(section(0x74, rhea.types.wrap_map(properties))), bytes("005377"), value]);
}

/** The head of a list32 with one item: code, size and count. The size counts the count, but not itself. */
function listOfOne(itemBytes: number): Buffer {
  const head = Buffer.alloc(LIST_BYTES);
  head.writeUInt8(0xd0);
  head.writeUInt32BE(4 + itemBytes, 1);
  head.writeUInt32BE(1, 5);
  return head;
}

/** Receives one message and completes it. Resolves to its application properties by name, as they were encoded. */
export async function receiveRawProperties(port: number, address: string): Promise<Map<string, Typed>> {
  const connection = rhea.create_container().connect({ host: "127.0.0.1", port, reconnect: false });
  const raw = await new Promise<Buffer>((resolve) => {
    connection.once("session_open", receiveRaw);
    connection.open_receiver({ source: address, credit_window: 1 });
    connection.once("message", (context: EventContext) => resolve(rawMessage(context)));
  }).finally(() => connection.close());
  const reader = readerOf(raw);
  let section = reader.read();
  while (section.descriptor?.value !== 0x74) section = reader.read();
  const items = itemsOf(section);
  return new Map(items.flatMap((item, at) => (at % 2 === 1 ? [[String(items[at - 1]?.value), item] as const] : [])));
}

/** Releases a delivery, as the client for Go does with what it did not ask for. */
export function release(delivery: Delivery): void {
  delivery.release();
}

/** Defers a delivery as the client for Python does, which writes the boolean as a byte of its own (`56 01`). */
export function deferWithLongBoolean(delivery: Delivery): void {
  const LongBoolean: new (value: number) => Typed = Reflect.get(rhea.types, "Boolean");
  delivery.update(false, section(0x27, rhea.types.wrap_list([null, new LongBoolean(1)])));
}

/** Receives one message, and settles it so. */
export async function receiveAndSettle(
  port: number,
  address: string,
  settle: (delivery: Delivery) => void,
): Promise<void> {
  const connection = rhea.create_container().connect({ host: "127.0.0.1", port, reconnect: false });
  await new Promise<void>((resolve) => {
    // In this mode the broker has the last word, so that its work is done when the delivery is settled.
    const options = { source: address, credit_window: 0, autoaccept: false, rcv_settle_mode: 1 as const };
    const receiver = connection.open_receiver(options);
    connection.once("receiver_open", () => receiver.add_credit(1));
    connection.once("message", ({ delivery }: EventContext) => delivery && settle(delivery));
    connection.once("settled", () => resolve());
  }).finally(() => connection.close());
}

/**
 * Asks for one message and for the end of the drain in one frame. Resolves to what arrived, in order, when the drain
 * has ended.
 */
export async function drainOne(port: number, address: string): Promise<string[]> {
  const connection = rhea.create_container().connect({ host: "127.0.0.1", port, reconnect: false });
  const events: string[] = [];
  await new Promise<void>((resolve) => {
    const receiver = connection.open_receiver({ source: address, credit_window: 0, autoaccept: false });
    connection.once("receiver_open", () => {
      receiver.add_credit(1);
      receiver.drain_credit();
    });
    connection.on("message", () => events.push("message"));
    connection.once("receiver_drained", () => {
      events.push("drained");
      resolve();
    });
  }).finally(() => connection.close());
  return events;
}

/** Attaches a receiver that settles in this mode (0 or 1). Resolves to the mode that the broker answers. */
export async function answeredSettleMode(port: number, address: string, mode: 0 | 1): Promise<number | undefined> {
  const connection = rhea.create_container().connect({ host: "127.0.0.1", port, reconnect: false });
  return new Promise<number | undefined>((resolve) => {
    const receiver = connection.open_receiver({ source: address, rcv_settle_mode: mode, credit_window: 0 });
    connection.once("receiver_open", () => resolve(receiver.rcv_settle_mode));
  }).finally(() => connection.close());
}

/**
 * Puts a token as the clients of other languages do, which name the target of their link, not the link itself, for the
 * reply. The token is signed with the broker's usual key, or is the one of an identity. Resolves to the status of the
 * reply.
 */
export async function putToken(port: number, audience: string, identityToken?: string): Promise<unknown> {
  const replyTo = "replies-here";
  const connection = rhea.create_container().connect({ host: "127.0.0.1", port, reconnect: false });
  return new Promise<unknown>((resolve) => {
    connection.open_receiver({ source: "$cbs", target: replyTo });
    connection.on("message", ({ message }: EventContext) => resolve(message?.application_properties?.["statusCode"]));
    connection.open_sender("$cbs");
    const type = identityToken === undefined ? "servicebus.windows.net:sastoken" : "jwt";
    const application_properties = { operation: "put-token", type, name: audience };
    const body = identityToken ?? signedToken(audience);
    const request = { message_id: "1", reply_to: replyTo, application_properties, body };
    connection.once("sendable", ({ sender }: EventContext) => sender?.send(request));
  }).finally(() => connection.close());
}
