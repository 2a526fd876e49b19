import Long from "long";
import type { MessageBroker } from "../../shared/ports/message-broker.ts";
import type { Source } from "../../shared/run/source.ts";
import { type BusUser, numberOf, tokenOf } from "../support/bus-user.ts";
import type { BrokerHarness } from "./message-broker.contract.ts";

/** A source on a Service Bus, local or real, as the contract needs it. `user` sends to it and receives from it. */
export interface ServiceBusUnderTest {
  readonly broker: MessageBroker;
  readonly source: Source;
  readonly user: BusUser;
  passTime(ms: number): void;
}

/** Opens the source for one test of the contract. */
export function openServiceBus(bus: ServiceBusUnderTest): BrokerHarness {
  const { broker, source, user } = bus;
  const isQueue = "queue" in source;
  const receiver = user.receiver(source);
  const receiveDeferred = async (sequenceNumber: number) => {
    const [message] = await receiver.receiveDeferredMessages(Long.fromNumber(sequenceNumber));
    if (message === undefined) throw new Error(`Message ${sequenceNumber} can't be received.`);
    return message;
  };
  return {
    broker,
    source,
    send: async ({ body = "{}", ttlMs, properties, ...rest }) => {
      const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
      await user.send(isQueue ? source.queue : source.topic, {
        ...rest,
        body: Buffer.from(bytes),
        ...(properties === undefined ? {} : { applicationProperties: scalars(properties) }),
        ...(ttlMs === undefined ? {} : { timeToLive: ttlMs }),
      });
    },
    receive: async () => {
      const message = await user.receive(receiver);
      return {
        sequenceNumber: numberOf(message),
        enqueuedAt: message.enqueuedTimeUtc?.getTime() ?? 0,
        lockToken: tokenOf(message),
        deliveryCount: message.deliveryCount ?? 0,
      };
    },
    lockDeferred: async (sequenceNumber) => tokenOf(await receiveDeferred(sequenceNumber)),
    deliveryCountOfDeferred: async (sequenceNumber) => {
      const message = await receiveDeferred(sequenceNumber);
      await receiver.abandonMessage(message);
      return message.deliveryCount ?? 0;
    },
    passTime: (ms) => bus.passTime(ms),
    deadLetters: async () => {
      const letters = user.receiver(source, { deadLetter: true });
      // Without a number the SDK goes on after what any receiver of its client peeked at last.
      const messages = await letters.peekMessages(100, { fromSequenceNumber: Long.ONE });
      return messages.map((message) => ({
        reason: message.deadLetterReason ?? "",
        description: message.deadLetterErrorDescription ?? "",
        properties: message.applicationProperties ?? {},
        body: message.body,
        deliveryCount: message.deliveryCount ?? 0,
      }));
    },
    close: () => receiver.close(),
  };
}

function scalars(properties: Readonly<Record<string, unknown>>): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [
      name,
      typeof value === "number" || typeof value === "boolean" ? value : String(value),
    ]),
  );
}
