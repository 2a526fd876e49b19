import type {
  ServiceBusClient,
  ServiceBusMessage,
  ServiceBusReceivedMessage,
  ServiceBusReceiver,
} from "@azure/service-bus";
import Long from "long";
import type { Source } from "../shared/run/source.ts";

/** What the checks do with the bus. */
export interface Bus {
  /** Sends messages to a queue, or to the topic of a subscription, as many at a time as fit into a batch. */
  readonly send: (source: Source, messages: readonly ServiceBusMessage[]) => Promise<void>;
  /** Peeks at the messages of a source, or at its dead letters, in order of their numbers. */
  readonly peek: (source: Source, options?: PeekOptions) => Promise<ServiceBusReceivedMessage[]>;
  readonly client: () => Promise<ServiceBusClient>;
}

export interface PeekOptions {
  readonly deadLetters?: boolean;
  /** The first number to peek at. Without it, all messages are. */
  readonly from?: Long;
}

const PAGE = 250;

/** `client` resolves to a client of the namespace, once that is deployed. All calls reject once the signal is aborted. */
export function makeBus(client: () => Promise<ServiceBusClient>, signal: AbortSignal): Bus {
  return {
    client,
    async send(source, messages) {
      const sender = (await client()).createSender("queue" in source ? source.queue : source.topic);
      let batch = await sender.createMessageBatch();
      for (const message of messages) {
        if (batch.tryAddMessage(message)) continue;
        signal.throwIfAborted();
        await sender.sendMessages(batch);
        batch = await sender.createMessageBatch();
        if (!batch.tryAddMessage(message)) throw new Error(`Message ${String(message.messageId)} fits into no batch.`);
      }
      if (batch.count > 0) await sender.sendMessages(batch);
      await sender.close();
    },
    async peek(source, { deadLetters = false, from = Long.ONE } = {}) {
      const receiver = receiverOf(await client(), source, deadLetters);
      const found: ServiceBusReceivedMessage[] = [];
      for (;;) {
        signal.throwIfAborted();
        const next = found.at(-1)?.sequenceNumber?.add(1) ?? from;
        const page = await receiver.peekMessages(PAGE, { fromSequenceNumber: next });
        if (page.length === 0) break;
        found.push(...page);
      }
      await receiver.close();
      return found;
    },
  };
}

/** Opens a receiver of a source or of its dead letters. It locks messages, and renews no lock. */
export function receiverOf(client: ServiceBusClient, source: Source, deadLetters: boolean): ServiceBusReceiver {
  const options = {
    skipParsingBodyAsJson: true,
    maxAutoLockRenewalDurationInMs: 0,
    ...(deadLetters ? { subQueueType: "deadLetter" as const } : {}),
  };
  return "queue" in source
    ? client.createReceiver(source.queue, options)
    : client.createReceiver(source.topic, source.subscription, options);
}
