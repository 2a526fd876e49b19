import type { ServiceBusClient, ServiceBusMessage, ServiceBusSender } from "@azure/service-bus";
import { CANARIES, CANARY_PROPERTY } from "./canaries.ts";
import { type Body, kindOf, type PlannedMessage, QUEUE } from "./kinds.ts";
import { BIG_BYTES } from "./proof-modules.ts";

/** Makes a sender of the proof's messages. It sends straight to the bus, so that each message is sent exactly once. */
export function makeSender(client: ServiceBusClient): (message: PlannedMessage) => Promise<void> {
  const senders = new Map<string, ServiceBusSender>();
  return async ({ id, kind: name }) => {
    const kind = kindOf(name);
    const sender = senders.get(kind.entity) ?? client.createSender(kind.entity);
    senders.set(kind.entity, sender);
    const message: ServiceBusMessage = {
      messageId: id,
      correlationId: `of ${id}`,
      subject: kind.subject,
      body: bodyOf(kind.body),
      contentType: CANARIES.contentType,
      applicationProperties: { [CANARY_PROPERTY]: CANARIES.property },
    };
    for (let copy = 0; copy < kind.copies; copy += 1) await sender.sendMessages(message);
  };
}

/** What the ids of foreign messages begin with: another instance has deferred these. */
export const FOREIGN_PREFIX = "foreign-";
/** How many foreign messages there are. The sweep looks at fewer in one tick. */
export const FOREIGN_MESSAGES = 60;

/** So many are received at once, because a bus may close a link that owes many settlements. */
const FOREIGN_PAGE = 10;

/**
 * Sends messages and defers them as another instance would. No replica may touch them. It has to be called before a
 * replica is up.
 */
export async function deferForeignMessages(client: ServiceBusClient): Promise<void> {
  await client.createSender(QUEUE).sendMessages(
    Array.from({ length: FOREIGN_MESSAGES }, (_, index) => ({
      messageId: `${FOREIGN_PREFIX}${index + 1}`,
      // A module would take the message, if the sweep did not check the owner.
      subject: "succeed",
      body: CANARIES.body,
    })),
  );
  const receiver = client.createReceiver(QUEUE);
  for (let deferred = 0; deferred < FOREIGN_MESSAGES; ) {
    const page = Math.min(FOREIGN_PAGE, FOREIGN_MESSAGES - deferred);
    for (const message of await receiver.receiveMessages(page, { maxWaitTimeInMs: 10_000 })) {
      await receiver.deferMessage(message, { "dispatcher-owner": "another instance" });
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
