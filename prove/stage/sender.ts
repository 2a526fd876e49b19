import type { ServiceBusClient, ServiceBusMessage, ServiceBusSender } from "@azure/service-bus";
import { CANARIES, CANARY_PROPERTY } from "./canaries.ts";
import { type Body, kindOf, type Planned, QUEUE } from "./kinds.ts";
import { BIG_BYTES } from "./proof-modules.ts";

/** Sends messages of the proof, straight to the bus: what was said to be sent was sent, and once. */
export function makeSender(client: ServiceBusClient): (message: Planned) => Promise<void> {
  const senders = new Map<string, ServiceBusSender>();
  return async ({ id, kind: name }) => {
    const kind = kindOf(name);
    const sender = senders.get(kind.entity) ?? client.createSender(kind.entity);
    senders.set(kind.entity, sender);
    const message: ServiceBusMessage = {
      messageId: id,
      subject: kind.subject,
      body: bodyOf(kind.body),
      contentType: CANARIES.contentType,
      applicationProperties: { [CANARY_PROPERTY]: CANARIES.property },
    };
    for (let copy = 0; copy < kind.copies; copy += 1) await sender.sendMessages(message);
  };
}

/** What strangers' messages are called. */
export const STRANGER = "stranger";
/** So many: more than the sweep looks at in one tick. */
export const STRANGERS = 60;

/** Sends messages that another Dispatcher has deferred: nobody here may touch them. To be called before any Dispatcher is up. */
export async function deferStrangers(client: ServiceBusClient): Promise<void> {
  await client.createSender(QUEUE).sendMessages(
    Array.from({ length: STRANGERS }, (_, index) => ({
      messageId: `${STRANGER}-${index + 1}`,
      // A module would take it, if nobody looked at whose it is.
      subject: "succeed",
      body: CANARIES.body,
    })),
  );
  const receiver = client.createReceiver(QUEUE);
  for (let deferred = 0; deferred < STRANGERS; ) {
    for (const message of await receiver.receiveMessages(STRANGERS - deferred, { maxWaitTimeInMs: 10_000 })) {
      await receiver.deferMessage(message, { "dispatcher-owner": "somebody else" });
      deferred += 1;
    }
  }
  await receiver.close();
}

function bodyOf(body: Body): Buffer {
  switch (body) {
    case "small":
      return Buffer.from(JSON.stringify({ note: CANARIES.body }));
    case "big":
      return Buffer.alloc(BIG_BYTES, `${CANARIES.body} `);
    case "not JSON":
      return Buffer.from(CANARIES.body);
    case "wrong field":
      return Buffer.from(JSON.stringify({ size: CANARIES.body }));
    default:
      return body satisfies never;
  }
}
