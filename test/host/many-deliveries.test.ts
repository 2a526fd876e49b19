import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ServiceBusClient, type ServiceBusReceivedMessage } from "@azure/service-bus";
import { expect, onTestFinished, test, vi } from "vitest";
import { listen } from "../../host/service-bus-listener.ts";
import { startBroker } from "../../local/broker/start-broker.ts";
import type { OfferedDeliveries } from "../../shared/adapters/standalone-host/offered-deliveries.ts";

const MESSAGES = 10_000;
const CALLS = 16;
/** So many messages are sent at once, and wait at most. */
const BATCH = 500;
const BODY = Buffer.alloc(256, "x");
/** A kilobyte for each of the last 8,000 deliveries. One that is kept is more, with its message and its body. */
const MOST_GROWTH_BYTES = 8_000_000;

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

test("ten thousand deliveries settled on one link leave nothing behind, and none is lost", async () => {
  const bus = await startBroker({
    entities: { queues: [{ name: "q" }], topics: [] },
    // The link is closed if it owes more settlements than there are calls.
    maxUnsettled: CALLS,
  });
  onTestFinished(() => bus.close());
  const client = new ServiceBusClient(bus.connectionString);
  onTestFinished(() => client.close());
  const deliveries: OfferedDeliveries = new Map();
  const invocations = new Set<string>();
  const troubles: string[] = [];
  const heaps: number[] = [];
  const listener = listen({
    client,
    entity: { queue: "q" },
    fn: {
      name: "settles",
      bindings: {},
      trigger: { bindingName: "message", binding: { type: "serviceBusTrigger", dataType: "binary" } },
      callback: () => undefined,
    },
    settings: {
      autoCompleteMessages: false,
      maxConcurrentCalls: CALLS,
      prefetchCount: 0,
      maxAutoLockRenewalDuration: 0,
    },
    deliveries,
    invoke: async (_fn, { metadata }) => {
      const token = metadata["LockToken"]?.string ?? "";
      invocations.add(token);
      const number = invocations.size;
      if (number % 2_000 === 0) {
        collectGarbage();
        heaps.push(process.memoryUsage().heapUsed);
      }
      const delivery = deliveries.get(token);
      if (number % 100 === 0) await delivery?.deadLetter({ deadLetterReason: token, deadLetterErrorDescription: "" });
      else if (number % 100 === 50) await delivery?.defer({ token });
      else await delivery?.complete();
      return undefined;
    },
    log: {
      system: (level, text) => void troubles.push(`${level}: ${text}`),
      of: () => (level, _, text) => void troubles.push(`${level}: ${text}`),
    },
  });
  onTestFinished(() => listener.stop());

  const held = () => bus.counts()["q"] ?? never();
  const sender = client.createSender("q");
  for (let sent = 0; sent < MESSAGES; sent += BATCH) {
    await vi.waitFor(() => expect(held().active).toBeLessThan(BATCH), { timeout: 60_000 });
    await sender.sendMessages(Array.from({ length: BATCH }, () => ({ body: BODY })));
  }
  await vi.waitFor(() => expect(held()).toMatchObject({ active: 0, locked: 0 }), { timeout: 30_000 });
  expect(troubles).toEqual([]);
  expect(invocations.size).toBe(MESSAGES);
  // The queue knows of the last settlements before their invocations end.
  await vi.waitFor(() => expect(deliveries.size).toBe(0), { timeout: 30_000 });
  expect(held()).toEqual({ active: 0, deferred: 100, scheduled: 0, locked: 0, deadLettered: 100 });
  expect(Math.max(...heaps) - (heaps[0] ?? 0)).toBeLessThan(MOST_GROWTH_BYTES);
  // Each dead letter and each deferred message has what was meant for it, though its neighbours were completed.
  const letters = await client.createReceiver("q", { subQueueType: "deadLetter" }).peekMessages(200);
  const deferred = await client.createReceiver("q").peekMessages(200);
  expect(letters).toHaveLength(100);
  expect(deferred).toHaveLength(100);
  const stamps = [...letters.map(({ deadLetterReason }) => deadLetterReason), ...deferred.map(stampOf)];
  expect(new Set(stamps).size).toBe(200);
}, 300_000);

function stampOf({ applicationProperties }: ServiceBusReceivedMessage): unknown {
  return applicationProperties?.["token"];
}

function never(): never {
  throw new Error("the broker has the queue q");
}
