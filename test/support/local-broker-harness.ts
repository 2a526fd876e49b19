import {
  ServiceBusClient,
  type ServiceBusMessage,
  type ServiceBusReceivedMessage,
  type ServiceBusReceiver,
  type ServiceBusSender,
} from "@azure/service-bus";
import type { BrokerEntities } from "../../local/broker/entities.ts";
import { type LocalBroker, startBroker } from "../../local/broker/start-broker.ts";
import type { Source } from "../../shared/run/source.ts";

/** What the SDK's sender takes: its own messages, and whole AMQP messages. */
type MessageToSend =
  | ServiceBusMessage
  | Extract<Parameters<ServiceBusSender["sendMessages"]>[0], { bodyType?: unknown }>;

/** A local broker whose clock a test moves, and the plain SDK to look at it from outside. */
export interface LocalBus {
  readonly broker: LocalBroker;
  readonly client: ServiceBusClient;
  passTime(ms: number): void;
  send(to: string, ...messages: MessageToSend[]): Promise<void>;
  receiver(source: Source, options?: { deadLetter?: boolean; receiveAndDelete?: boolean }): ServiceBusReceiver;
  /** The next message. Rejects where none comes. */
  receive(receiver: ServiceBusReceiver): Promise<ServiceBusReceivedMessage>;
  close(): Promise<void>;
}

/** Starts a broker of its own for a test. */
export async function startLocalBus(entities: Partial<BrokerEntities>): Promise<LocalBus> {
  let offsetMs = 0;
  const broker = await startBroker({
    entities: { queues: [], topics: [], ...entities },
    now: () => Date.now() + offsetMs,
  });
  const client = new ServiceBusClient(broker.connectionString, { retryOptions: { maxRetries: 0 } });
  const senders = new Map<string, ServiceBusSender>();
  return {
    broker,
    client,
    passTime: (ms) => {
      offsetMs += ms;
      broker.wake();
    },
    send: async (to, ...messages) => {
      const sender = senders.get(to) ?? client.createSender(to);
      senders.set(to, sender);
      for (const message of messages) await sender.sendMessages(message);
    },
    receiver: (source, { deadLetter = false, receiveAndDelete = false } = {}) => {
      const options = {
        skipParsingBodyAsJson: true,
        maxAutoLockRenewalDurationInMs: 0,
        ...(deadLetter ? { subQueueType: "deadLetter" as const } : {}),
        receiveMode: receiveAndDelete ? ("receiveAndDelete" as const) : ("peekLock" as const),
      };
      return "queue" in source
        ? client.createReceiver(source.queue, options)
        : client.createReceiver(source.topic, source.subscription, options);
    },
    receive: async (receiver) => {
      const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 2_000 });
      if (message === undefined) throw new Error(`No message came from ${receiver.entityPath}.`);
      return message;
    },
    close: async () => {
      await client.close();
      await broker.close();
    },
  };
}

/** The number of a received message, which always has one. */
export function numberOf(message: ServiceBusReceivedMessage): number {
  if (message.sequenceNumber === undefined) throw new Error("A received message has no sequence number.");
  return message.sequenceNumber.toNumber();
}

/** The lock token of a received message. */
export function tokenOf(message: ServiceBusReceivedMessage): string {
  if (message.lockToken === undefined) throw new Error("A received message has no lock token.");
  return message.lockToken;
}
