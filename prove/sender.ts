import { type ServiceBusClient, type ServiceBusMessage, type ServiceBusSender } from "@azure/service-bus";
import { kindOf, type Planned } from "./kinds.ts";
import { BIG_BYTES } from "./proof-modules.ts";

/** Sends messages of the proof, straight to the bus: what was said to be sent was sent, and once. */
export function makeSender(client: ServiceBusClient): (message: Planned) => Promise<void> {
  const senders = new Map<string, ServiceBusSender>();
  return async ({ id, kind: name }) => {
    const kind = kindOf(name);
    const sender = senders.get(kind.entity) ?? client.createSender(kind.entity);
    senders.set(kind.entity, sender);
    const message: ServiceBusMessage = { messageId: id, subject: kind.subject, body: bodyOf(kind.body) };
    for (let copy = 0; copy < kind.copies; copy += 1) await sender.sendMessages(message);
  };
}

function bodyOf(body: "small" | "big" | "not JSON"): Buffer {
  switch (body) {
    case "small":
      return Buffer.from("{}");
    case "big":
      return Buffer.alloc(BIG_BYTES, "big ");
    case "not JSON":
      return Buffer.from("this is no object");
    default:
      return body satisfies never;
  }
}
