import { ServiceBusClient, type ServiceBusReceivedMessage } from "@azure/service-bus";
import Long from "long";
import { QUEUE, SUBSCRIPTION, TOPIC } from "../stage/kinds.ts";

const SOURCES = [
  { source: QUEUE, open: { queue: QUEUE } },
  { source: `${TOPIC}/${SUBSCRIPTION}`, open: { topic: TOPIC, subscription: SUBSCRIPTION } },
] as const;

/** A message that the bus holds, and the place where it is. */
export interface Peeked {
  readonly source: string;
  readonly isDeadLetter: boolean;
  readonly message: ServiceBusReceivedMessage;
}

/** Peeks at every message that the bus holds, dead letters included. */
export async function peekBus(connectionString: string): Promise<Peeked[]> {
  const client = new ServiceBusClient(connectionString);
  try {
    const peeked: Peeked[] = [];
    for (const { source, open } of SOURCES)
      for (const isDeadLetter of [false, true])
        for (const message of await peekAll(client, open, isDeadLetter)) peeked.push({ source, isDeadLetter, message });
    return peeked;
  } finally {
    await client.close();
  }
}

async function peekAll(
  client: ServiceBusClient,
  open: (typeof SOURCES)[number]["open"],
  isDeadLetter: boolean,
): Promise<ServiceBusReceivedMessage[]> {
  const options = { skipParsingBodyAsJson: true, ...(isDeadLetter ? { subQueueType: "deadLetter" as const } : {}) };
  const receiver =
    "queue" in open
      ? client.createReceiver(open.queue, options)
      : client.createReceiver(open.topic, open.subscription, options);
  const found: ServiceBusReceivedMessage[] = [];
  for (;;) {
    const next = found.at(-1)?.sequenceNumber?.add(1) ?? Long.ONE;
    const page = await receiver.peekMessages(250, { fromSequenceNumber: next });
    if (page.length === 0) break;
    found.push(...page);
  }
  await receiver.close();
  return found;
}
