import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../shared/errors.ts";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY } from "../../support/world.ts";

const OTHER = { queue: "others" };
/** A call takes ten seconds, and sixteen run at once. The clock of these tests adds up all calls. */
const SLOW_MS = 10_000 / 16;
const TWO = [aModule({ retry: RETRY, maxActive: 1_000 }), aModule({ retry: RETRY, name: "other", source: OTHER })];

describe("runs that fail in every tick", () => {
  it("do not keep the tick from the runs behind them, although they use up the time of every tick", async () => {
    const world = makeWorld([aModule({ maxActive: 1_000 })]);
    for (let count = 0; count < 200; count += 1) await world.send();
    for (const name of world.cluster.names()) world.cluster.succeed(name);
    // The oldest runs take long to fail.
    const completeDeferred: typeof world.broker.completeDeferred = async (key) => {
      if (key.sequenceNumber > 190) return world.broker.completeDeferred(key);
      world.clock.advance(SLOW_MS);
      throw new UnavailableError("no answer within 10000 ms");
    };
    const replica = world.makeReplica({ broker: { ...world.broker, completeDeferred } });
    for (let tick = 0; tick < 4; tick += 1) await replica.tick();
    expect(world.closed()).toHaveLength(10);
  });

  it("do not keep their module from starting others", async () => {
    const world = makeWorld();
    await world.send();
    world.cluster.succeed(world.jobName());
    for (let count = 0; count < 40; count += 1) {
      world.cluster.quotaNext();
      await world.send();
    }
    const completeDeferred = () => Promise.reject(new UnavailableError("the lock on the message is lost"));
    await world.makeReplica({ broker: { ...world.broker, completeDeferred } }).tick();
    expect(world.open().filter(({ status }) => status === "dispatched")).toHaveLength(40);
  });

  it("do not keep small messages waiting if only the blob store is away", async () => {
    const world = makeWorld();
    world.cluster.quotaNext();
    await world.send({ body: "x".repeat(20_000) });
    for (let count = 0; count < 40; count += 1) {
      world.cluster.quotaNext();
      await world.send();
    }
    world.payloads.failNext("putBody");
    await world.tick();
    expect(world.open().filter(({ status }) => status === "dispatched")).toHaveLength(40);
  });

  it("do not keep the only slot of their module if their own body can't be stored", async () => {
    const world = makeWorld([aModule({ retry: RETRY, maxActive: 1 })]);
    const putBody = () => Promise.reject(new UnavailableError("the blob store is away"));
    const replica = world.makeReplica({ payloads: { ...world.payloads, putBody } });
    world.cluster.quotaNext();
    await world.send({ messageId: "large", body: "x".repeat(20_000) });
    await world.send({ messageId: "small" });
    world.clock.advance(31_000);
    for (let tick = 0; tick < 3; tick += 1) {
      await replica.tick();
      world.clock.advance(10_000);
    }
    expect(world.open()).toMatchObject([
      { messageId: "large", status: "waiting" },
      { messageId: "small", status: "dispatched" },
    ]);
  });

  it("ask a cluster that does not answer once, not once per run", async () => {
    const world = makeWorld();
    for (let count = 0; count < 40; count += 1) {
      world.cluster.quotaNext();
      await world.send();
    }
    const before = world.cluster.creates.length;
    for (let count = 0; count < 40; count += 1) world.cluster.failNext("create");
    await world.tick();
    expect(world.cluster.creates.length - before).toBeLessThanOrEqual(16);
    expect(world.lastTick()).toHaveProperty(
      "waiting.cluster",
      expect.toSatisfy((count) => count >= 24),
    );
  });
});

describe("a source that is slow", () => {
  it("does not keep another source from being reconciled and swept", async () => {
    const world = makeWorld(TWO);
    for (let count = 0; count < 400; count += 1) {
      world.cluster.quotaNext();
      await world.send();
    }
    // The other source has a deferred message whose row is lost.
    const { lockToken } = world.broker.deliver(OTHER, { messageId: "o-1" });
    await world.broker.defer(OTHER, lockToken, { "dispatcher-owner": "owner-1" });
    const slow: typeof world.broker.peek = async (source, number) => {
      if ("queue" in source && source.queue === OTHER.queue) return world.broker.peek(source, number);
      world.clock.advance(SLOW_MS);
      throw new UnavailableError("no answer within 10000 ms");
    };
    const browse: typeof world.broker.browse = async (source, from, count) =>
      "queue" in source && source.queue === OTHER.queue
        ? world.broker.browse(source, from, count)
        : slow(source, from).then(() => []);
    const replica = world.makeReplica({ broker: { ...world.broker, peek: slow, browse } });
    for (let tick = 0; tick < 3; tick += 1) {
      await replica.tick();
      world.clock.advance(10_000);
    }
    expect(world.open().find(({ messageId }) => messageId === "o-1")).toMatchObject({ status: "dispatched" });
  });

  it("is left to the next tick once its time is over", async () => {
    const world = makeWorld(TWO);
    await world.send();
    const started = world.clock.now();
    const browse = async () => {
      world.clock.advance(20_000);
      throw new UnavailableError("no answer within 20000 ms");
    };
    const sources = Array.from({ length: 30 }, (_, index) => ({ queue: `q-${index}` }));
    const modules = new Map(sources.map((source, index) => [`m-${index}`, aModule({ name: `m-${index}`, source })]));
    await world.makeReplica({ modules, broker: { ...world.broker, browse } }).tick();
    expect(world.clock.now() - started).toBeLessThan(120_000);
    expect(world.lastTick()).toMatchObject({ message: "reconciled" });
  });
});

it("an unreadable row stops neither the tick nor the sweep of what comes after it", async () => {
  const world = makeWorld();
  for (let count = 0; count < 3; count += 1) await world.send();
  const [first, ...others] = world.open();
  for (const run of world.open()) world.table.forget(run);
  const find: typeof world.table.find = async (key) => {
    if (key.sequenceNumber === first?.sequenceNumber) throw new Error("The rows contradict each other.");
    return world.table.find(key);
  };
  const replica = world.makeReplica({ table: { ...world.table, find } });
  await replica.tick();
  await replica.tick();
  expect(world.open().map(({ sequenceNumber }) => sequenceNumber)).toEqual(
    others.map(({ sequenceNumber }) => sequenceNumber),
  );
  expect((await world.table.lastTick())?.at).toBe(world.clock.now());
  expect(world.message(1)).toMatchObject({ state: "deferred" });
});

it("a tick whose read of the rows is slow still has its full time for the runs", async () => {
  const world = makeWorld();
  await world.send();
  world.cluster.succeed(world.jobName());
  const { table } = world.deps;
  const atWork: typeof table.atWork = (source) => {
    world.clock.advance(50_000);
    return table.atWork(source);
  };
  await world.makeReplica({ table: { ...table, atWork } }).tick();
  expect(world.closed()).toHaveLength(1);
});

it("says in a line that alerts read that a tick broke off, whatever the error", async () => {
  const world = makeWorld();
  const instanceTable = {
    ...world.deps.instanceTable,
    cluster: () => Promise.reject(new Error("The row can't be read.")),
  };
  const replica = world.makeReplica({ tables: { ...world.table, ...instanceTable } });
  await expect(replica.tick()).rejects.toThrow("can't be read");
  expect(world.lines.at(-1)).toMatchObject({ message: "reconcile is held up", why: "The row can't be read." });
});
