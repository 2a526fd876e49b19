import type { ServiceBusClient } from "@azure/service-bus";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { makeHostLog } from "../../host/host-log.ts";
import type { Invoke } from "../../host/invoke.ts";
import { listen } from "../../host/service-bus-listener.ts";
import { makeServiceBusBroker } from "../../shared/adapters/service-bus/broker.ts";
import type { MessageBroker } from "../../shared/ports/message-broker.ts";
import type { PeekedMessage } from "../../shared/run/message.ts";
import { type Source, sourceName } from "../../shared/run/source.ts";
import { type LiveBus, openLiveBus } from "./live-bus.ts";
import { describeLive, liveEnvironment, readLiveSettings } from "./live-settings.ts";

// A receiver whose messages are deferred over `$management` leaves every delivery unsettled on its link. Only after
// thousands of messages does it show whether messages still arrive, and whether the client's memory grows.

const MESSAGES = Number(liveEnvironment()["TEST_SOAK_MESSAGES"] || 10_000);
/**
 * If no new message comes for this long, the flow has stopped. It is twice the lock of a message that was lost on the
 * way.
 */
const STALL_MS = 120_000;
/** How many bytes a message may leave behind in the receiver's heap. A leak of whole messages is some KiB each. */
const MOST_BYTES_PER_MESSAGE = 1_024;
const PAGE = 250;
/** To the broker, a batch is one message of at most 256 KB. */
const BATCH = 100;
const settings = readLiveSettings();

const metadata = z.object({
  LockToken: z.object({ string: z.string() }),
  SequenceNumber: z.object({ json: z.string() }),
});

interface Flow {
  readonly invoke: Invoke;
  /** How often each message came, by its sequence number. */
  readonly deliveries: ReadonlyMap<number, number>;
  /** Resolves when so many different messages are deferred. Rejects when no new one comes any more. */
  until(count: number): Promise<void>;
}

/** Defers each message that comes, as the app does: by its lock token, over another connection. */
function deferring(broker: MessageBroker, source: Source): Flow {
  const deliveries = new Map<number, number>();
  let progressed = () => {};
  return {
    deliveries,
    async invoke(_fn, trigger) {
      const { LockToken, SequenceNumber } = metadata.parse(trigger.metadata);
      await broker.defer(source, LockToken.string, { soak: true });
      const number = Number(SequenceNumber.json);
      deliveries.set(number, (deliveries.get(number) ?? 0) + 1);
      progressed();
      return undefined;
    },
    until: (count) =>
      new Promise((resolve, reject) => {
        let timer: NodeJS.Timeout | undefined;
        const stalled = () =>
          reject(new Error(`${deliveries.size} of ${count} came, and then none for ${STALL_MS} ms`));
        progressed = () => {
          clearTimeout(timer);
          if (deliveries.size >= count) resolve();
          else timer = setTimeout(stalled, STALL_MS);
        };
        progressed();
      }),
  };
}

async function sendMany(client: ServiceBusClient, source: Source, count: number): Promise<void> {
  const sender = client.createSender("queue" in source ? source.queue : source.topic);
  for (let sent = 0; sent < count; sent += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, count - sent) }, (_, index) => sent + index);
    await sender.sendMessages(numbers.map((n) => ({ messageId: `soak-${n}`, body: { n, filler: "x".repeat(1_000) } })));
  }
  await sender.close();
}

async function deferredOnes(broker: MessageBroker, source: Source): Promise<PeekedMessage[]> {
  const found: PeekedMessage[] = [];
  for (let from = 1; ; ) {
    const page = await broker.browse(source, from, PAGE);
    found.push(...page.filter(({ state }) => state === "deferred"));
    const last = page.at(-1);
    if (last === undefined) return found;
    from = last.sequenceNumber + 1;
  }
}

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error("run it with npm run test:live, which lets it collect garbage");
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

describe.skipIf(settings.kind === "none")(
  `${MESSAGES} messages deferred over $management, ${describeLive(settings)}`,
  () => {
    let bus: LiveBus;
    let broker: MessageBroker;
    beforeAll(async () => {
      bus = await openLiveBus(settings);
      broker = makeServiceBusBroker(bus.connection);
    });
    afterAll(async () => {
      await broker?.close();
      await bus?.close();
    });

    it("delivers all of them, each of which is deferred and can be settled, and the receiver keeps none", async () => {
      const source = await bus.freshQueue();
      await sendMany(bus.user.client, source, MESSAGES);
      const flow = deferring(broker, source);
      const startedAt = performance.now();
      const listener = listen({
        client: bus.user.client,
        entity: source,
        fn: {
          name: "soak",
          bindings: {},
          trigger: { bindingName: "message", binding: { type: "serviceBusTrigger" } },
          callback: () => {},
        },
        settings: {
          autoCompleteMessages: false,
          maxConcurrentCalls: 16,
          prefetchCount: 0,
          maxAutoLockRenewalDuration: 300_000,
        },
        invoke: flow.invoke,
        deliveries: new Map(),
        log: makeHostLog((line) => process.stderr.write(line)),
      });
      // The first fifth of the messages fills the buffers that the client keeps for reuse.
      const warm = Math.ceil(MESSAGES / 5);
      await flow.until(warm);
      const before = heapBytes();
      await flow.until(MESSAGES);
      const grown = heapBytes() - before;
      const seconds = (performance.now() - startedAt) / 1_000;
      await listener.stop();

      const again = [...flow.deliveries.values()].filter((count) => count > 1).length;
      const kib = Math.round(grown / 1_024);
      console.log(
        `soak of ${sourceName(source)}: ${Math.round(MESSAGES / seconds)} messages/s, heap ${kib} KiB more, ${again} came again`,
      );
      expect(flow.deliveries.size).toBe(MESSAGES);
      expect(grown / (MESSAGES - warm)).toBeLessThan(MOST_BYTES_PER_MESSAGE);

      const found = await deferredOnes(broker, source);
      expect(found).toHaveLength(MESSAGES);
      for (const { sequenceNumber, enqueuedAt } of found.slice(0, 100))
        expect(await broker.completeDeferred({ source, sequenceNumber, enqueuedAt })).toBe("done");
    });
  },
);
