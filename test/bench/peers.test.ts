import { ServiceBusClient } from "@azure/service-bus";
import { afterEach, describe, expect, it, vi } from "vitest";
import { readRequests } from "../../bench/peers/account.ts";
import { type Fate, fateOf, spreadOf } from "../../bench/peers/fate.ts";
import { Passages } from "../../bench/peers/passages.ts";
import { burstRatio, workersPerMessage } from "../../bench/peers/report.ts";
import { type LocalBroker, startBroker } from "../../local/broker/start-broker.ts";

function aFate(given: Partial<Fate> = {}): Fate {
  return { sentAt: 1000, startedAt: 2000, endedAt: 3000, goneAt: 3500, workers: 1, ...given };
}

describe("the fate of a message", () => {
  it("has the start of its first worker and the end of its last one", () => {
    const reports = [
      { startedAt: 110, endedAt: 120 },
      { startedAt: 130, endedAt: 150 },
    ];
    const letter = { reason: "JobFailed", description: "twice" };
    expect(fateOf({ enqueuedAt: 100, goneAt: 160, letter }, reports)).toEqual({
      sentAt: 100,
      startedAt: 110,
      endedAt: 150,
      goneAt: 160,
      letter,
      workers: 2,
    });
  });

  it("has no start if no worker had the message", () => {
    expect(fateOf({ enqueuedAt: 100 }, [])).toEqual({ sentAt: 100, workers: 0 });
  });
});

describe("the times of some messages", () => {
  it("are their middle one, the one that 95 of 100 don't exceed, and the longest", () => {
    const fates = Array.from({ length: 100 }, (_, n) => aFate({ goneAt: 1000 + n + 1 }));
    expect(spreadOf(fates, "toGone")).toEqual({ p50: 50, p95: 95, last: 100 });
  });

  it("never end for a message that is still there, or that no worker had", () => {
    const { goneAt: _gone, ...stays } = aFate();
    const { startedAt: _started, endedAt: _ended, ...unstarted } = aFate();
    expect(spreadOf([aFate(), aFate(), stays], "toGone")).toEqual({ p50: 2500, p95: Infinity, last: Infinity });
    expect(spreadOf([stays], "endToGone").last).toBe(Infinity);
    expect(spreadOf([unstarted], "toStart").last).toBe(Infinity);
    expect(spreadOf([aFate()], "endToPodSucceeded").last).toBe(Infinity);
  });

  it("are negative for a message that is gone before its worker has ended", () => {
    expect(spreadOf([aFate({ goneAt: 2990 })], "endToGone").p50).toBe(-10);
  });
});

it("a burst is compared by its last message", () => {
  const burst = [aFate({ goneAt: 2000 }), aFate({ goneAt: 4000 })];
  expect(burstRatio(burst, { burst: [aFate({ goneAt: 3000 }), aFate({ goneAt: 2000 })] })).toBe(1.5);
});

it("workers that found no message count among those of the messages", () => {
  expect(workersPerMessage({ fates: [aFate(), aFate({ workers: 3 })], idleWorkers: 1 })).toBe(2.5);
});

it("the requests of an account are those of its own FlowSchema", () => {
  const line = (schema: string, level: string, count: string) =>
    `apiserver_flowcontrol_dispatched_requests_total{flow_schema="${schema}",priority_level="${level}"} ${count}`;
  const metrics = [
    "# TYPE apiserver_flowcontrol_dispatched_requests_total counter",
    line("exempt", "exempt", "1000"),
    line("bench-jobs-dispatcher", "workload-low", "12"),
    line("bench-jobs-dispatcher", "catch-all", "3e+01"),
    line("bench-jobs-keda", "workload-low", "7"),
  ].join("\n");
  expect(readRequests(metrics, { name: "dispatcher", namespace: "bench-jobs" })).toBe(42);
  expect(readRequests(metrics, { name: "nobody", namespace: "bench-jobs" })).toBe(0);
});

describe("the passages of messages", () => {
  let broker: LocalBroker | undefined;
  let passages: Passages | undefined;
  let client: ServiceBusClient | undefined;
  afterEach(async () => {
    passages?.stop();
    await client?.close();
    await broker?.close();
  });

  it("say when each came and when it was completed or dead-lettered, and why", async () => {
    broker = await startBroker({ entities: { queues: [{ name: "q" }], topics: [] } });
    passages = new Passages(broker.namespace.entities);
    client = new ServiceBusClient(broker.connectionString);
    const before = Date.now();
    await client
      .createSender("q")
      .sendMessages(["done", "dead", "deferred"].map((messageId) => ({ messageId, body: "" })));
    const seen = passages;
    await vi.waitFor(() => expect(seen.of("deferred")?.enqueuedAt).toBeGreaterThanOrEqual(before));
    const receiver = client.createReceiver("q");
    for (const message of await receiver.receiveMessages(3)) {
      if (message.messageId === "done") await receiver.completeMessage(message);
      else if (message.messageId === "deferred") await receiver.deferMessage(message);
      else await receiver.deadLetterMessage(message, { deadLetterReason: "R", deadLetterErrorDescription: "D" });
    }
    await vi.waitFor(() => expect(seen.of("dead")?.letter).toEqual({ reason: "R", description: "D" }));
    const done = seen.of("done");
    expect(done?.goneAt).toBeGreaterThanOrEqual(done?.enqueuedAt ?? Number.NaN);
    expect(done?.letter).toBeUndefined();
    expect(seen.of("deferred")?.goneAt).toBeUndefined();
    expect(seen.of("unknown")).toBeUndefined();
  });
});
