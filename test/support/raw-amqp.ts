import type { EventContext, Message, Typed } from "rhea";
import rhea from "rhea";
import { itemsOf, rawMessage, readerOf, receiveRaw } from "../../local/broker/amqp.ts";

/** Sends one AMQP message, whatever it holds: the Service Bus SDK knows few types. */
export async function sendRaw(port: number, address: string, message: Message): Promise<void> {
  const connection = rhea.create_container().connect({ host: "127.0.0.1", port, reconnect: false });
  await new Promise<void>((resolve, reject) => {
    connection.open_sender(address);
    connection.once("sendable", (context: EventContext) => context.sender?.send(message));
    connection.once("accepted", () => resolve());
    connection.once("rejected", () => reject(new Error("The broker rejected the message.")));
  }).finally(() => connection.close());
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

/** Asks for one message and for the end of the drain in one frame. Resolves to what came, in order, when the drain has ended. */
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
