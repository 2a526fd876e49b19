import { afterAll, beforeAll } from "vitest";
import { makeServiceBusBroker } from "../../shared/adapters/service-bus/broker.ts";
import type { MessageBroker } from "../../shared/ports/message-broker.ts";
import type { Source } from "../../shared/run/source.ts";
import { makeFakeBroker } from "../support/fake-broker.ts";
import { type LocalBus, startLocalBus } from "../support/local-broker-harness.ts";
import { makeTestClock } from "../support/test-clock.ts";
import { type DeadLetterHarness, describeDeadLetterQueue } from "./dead-letter-queue.contract.ts";
import { type BrokerHarness, describeMessageBroker } from "./message-broker.contract.ts";
import { openServiceBus } from "./service-bus-harness.ts";

const LOCK_MS = 60_000;

/** One broker serves all tests. Each takes a new entity. */
const ENTITIES = Array.from({ length: 150 }, (_, index) => index + 1);
let bus: LocalBus;
let serviceBus: MessageBroker;
let used = 0;

beforeAll(async () => {
  bus = await startLocalBus({
    queues: ENTITIES.map((n) => ({ name: `Thumbnails-${n}`, lockDurationMs: LOCK_MS })),
    topics: ENTITIES.map((n) => ({
      name: `Images-${n}`,
      subscriptions: [{ name: "Thumbs", lockDurationMs: LOCK_MS }],
    })),
  });
  serviceBus = makeServiceBusBroker({ kind: "connectionString", value: bus.broker.connectionString });
});
afterAll(async () => {
  await serviceBus.close();
  await bus.close();
});

const freshQueue = (): Source => ({ queue: `thumbnails-${(used++ % ENTITIES.length) + 1}` });
const freshSubscription = (): Source => ({ topic: `images-${(used++ % ENTITIES.length) + 1}`, subscription: "thumbs" });

describeMessageBroker("the fake", async () => openFake());
describeMessageBroker("Service Bus, on a queue,", async () => openLocal(freshQueue()));
describeMessageBroker("Service Bus, on a subscription,", async () => openLocal(freshSubscription()));
describeDeadLetterQueue("Service Bus, on a queue,", async () => openDeadLetters(freshQueue()));
describeDeadLetterQueue("Service Bus, on a subscription,", async () => openDeadLetters(freshSubscription()));

function openFake(): BrokerHarness {
  const source = { queue: "thumbnails" };
  const clock = makeTestClock();
  const broker = makeFakeBroker({ clock, lockDurationMs: LOCK_MS });
  return {
    broker,
    source,
    send: async (message) => void broker.send(source, message),
    receive: async () => {
      const delivery = broker.redeliver(source);
      if (delivery === undefined) throw new Error("No message is ready.");
      return { ...delivery, deliveryCount: delivery.deliveryCount - 1 };
    },
    lockDeferred: async (sequenceNumber) => {
      const token = broker.lockDeferred(source, sequenceNumber);
      if (token === undefined) throw new Error(`Message ${sequenceNumber} can't be held.`);
      return token;
    },
    deliveryCountOfDeferred: async (sequenceNumber) => broker.message(source, sequenceNumber).deliveryCount,
    passTime: (ms) => clock.advance(ms),
    deadLetters: async () =>
      broker
        .messages(source)
        .flatMap(({ letter, properties, body, deliveryCount }) =>
          letter === undefined
            ? []
            : [{ ...letter, properties: { ...properties, ...letter.properties }, body, deliveryCount }],
        ),
    close: () => broker.close(),
  };
}

function openLocal(source: Source): BrokerHarness {
  return openServiceBus({ broker: serviceBus, source, user: bus, passTime: (ms) => bus.passTime(ms) });
}

function openDeadLetters(source: Source): DeadLetterHarness {
  return { source, user: bus, passTime: async (ms) => bus.passTime(ms) };
}
