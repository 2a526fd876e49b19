import type {
  ServiceBusClient,
  ServiceBusMessage,
  ServiceBusReceivedMessage,
  ServiceBusReceiver,
  ServiceBusSender,
} from "@azure/service-bus";
import type { Source } from "../../shared/run/source.ts";

/** The messages that the SDK's sender takes: its own, and whole AMQP messages. */
type MessageToSend =
  | ServiceBusMessage
  | Extract<Parameters<ServiceBusSender["sendMessages"]>[0], { bodyType?: unknown }>;

/** A user of the bus who sends and receives with the plain SDK. */
export interface BusUser {
  readonly client: ServiceBusClient;
  send(to: string, ...messages: MessageToSend[]): Promise<void>;
  receiver(source: Source, options?: { deadLetter?: boolean; receiveAndDelete?: boolean }): ServiceBusReceiver;
  /** The next message. Rejects if no message comes in time. */
  receive(receiver: ServiceBusReceiver): Promise<ServiceBusReceivedMessage>;
}

/** `waitMs` is how long a message may take to come. */
export function makeBusUser(client: ServiceBusClient, waitMs = 2_000): BusUser {
  const senders = new Map<string, ServiceBusSender>();
  return {
    client,
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
      const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: waitMs });
      if (message === undefined) throw new Error(`No message came from ${receiver.entityPath}.`);
      return message;
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
