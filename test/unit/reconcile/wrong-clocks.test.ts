import { describe, expect, it } from "vitest";
import { makeReadiness } from "../../../shared/health.ts";
import { aModule } from "../../support/a-module.ts";
import { makeMachineClock } from "../../support/test-clock.ts";
import { LOCK_MS, makeWorld, RETRY, SOURCE, ticks, type World, withRun } from "../../support/world.ts";

const HOUR_MS = 3_600_000;
const MONTH_MS = 30 * 86_400_000;
const OFF = [
  { name: "1 h ahead", offMs: HOUR_MS },
  { name: "30 days ahead", offMs: MONTH_MS },
  { name: "1 h behind", offMs: -HOUR_MS },
  { name: "30 days behind", offMs: -MONTH_MS },
];

/** Makes a replica on a machine whose wall clock is so far ahead. */
const wrongReplica = (world: World, offMs: number) =>
  world.makeReplica({ machine: makeMachineClock(world.clock, offMs) });

/** A delivery of a new message, which no trigger has taken yet. */
const deliver = (world: World, ttlMs?: number) =>
  world.broker.deliver(SOURCE, {
    messageId: "m-1",
    body: Buffer.from("{}"),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  });

describe.each(OFF)("a replica whose wall clock is $name", ({ offMs }) => {
  it("does not put off the next attempt for the others, nor starts it early", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await wrongReplica(world, offMs).tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2 });
    await world.tick();
    expect(world.run().status).toBe("waiting");
    world.clock.advance(RETRY.backoff.firstMs + 1_000);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2 });
  });

  it("does not put off a run that its trigger left behind", async () => {
    const world = makeWorld();
    const replica = wrongReplica(world, offMs);
    world.broker.loseNextReply("defer");
    expect(await replica.accept(deliver(world))).toBe("left");
    expect(world.run().status).toBe("accepted");
    await ticks(world, () => world.run().status === "dispatched", 10_000, 3);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  });

  it("starts what has come due for the others, and nothing that has not", async () => {
    const backoff = { firstMs: 10_000, maxMs: 10_000 };
    const world = await withRun(makeWorld([aModule({ retry: { ...RETRY, backoff } })]));
    world.cluster.fail(world.jobName());
    await world.tick();
    const replica = wrongReplica(world, offMs);
    await replica.tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2 });
    world.clock.advance(backoff.maxMs + 1_000);
    await replica.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2 });
  });

  it("waits for a busy message no longer than the others", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.broker.lockDeferred(SOURCE, 1);
    await wrongReplica(world, offMs).tick();
    expect(world.run()).toMatchObject({ status: "settling", busyCount: 1 });
    world.clock.advance(LOCK_MS);
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("ends no Job that is still starting, and reports none as overdue", async () => {
    const world = makeWorld();
    await world.send();
    const replica = wrongReplica(world, offMs);
    world.clock.advance(60_000);
    await replica.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
    expect(world.run().endOrdered).toBeUndefined();
    expect(world.lastTick()).toMatchObject({ overdue: 0 });
  });

  it("purges no history early", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    await world.tick();
    world.clock.advance(world.deps.historyRetentionMs - HOUR_MS / 2);
    await wrongReplica(world, offMs).tick();
    expect(world.closed()).toHaveLength(1);
    world.clock.advance(HOUR_MS + 1_000);
    await wrongReplica(world, offMs).tick();
    expect(world.closed()).toHaveLength(0);
  });

  it("stamps a message that has not expired, and lets its Job stay as long as ever", async () => {
    const world = makeWorld();
    await world.accept(deliver(world, 30 * 60_000));
    const name = world.jobName();
    world.cluster.run(name);
    world.cluster.fail(name);
    await wrongReplica(world, offMs).tick();
    expect(world.message(1).properties).toMatchObject({ "dispatcher-attempt": 2 });
    const ttlMs = (world.cluster.job(name).spec?.ttlSecondsAfterFinished ?? 0) * 1_000;
    expect(Math.abs(ttlMs - world.deps.jobRetentionMs)).toBeLessThanOrEqual(2_000);
  });

  it("is ready, and tells the right age of the last tick", async () => {
    const world = makeWorld();
    const replica = wrongReplica(world, offMs);
    const ready = makeReadiness(replica.deps);
    await world.tick();
    world.clock.advance(7_000);
    const { ready: isReady, reconcileAgeMs } = await ready();
    expect(isReady).toBe(true);
    expect(Math.abs((reconcileAgeMs ?? 0) - 7_000)).toBeLessThanOrEqual(1_000);
  });
});

describe.each([
  { name: "set back by 1 h", stepMs: -HOUR_MS },
  { name: "set ahead by 1 h", stepMs: HOUR_MS },
  { name: "set ahead by 30 days", stepMs: MONTH_MS },
])("a wall clock that is $name", ({ stepMs }) => {
  /** One replica, which has heard the time, and then has its clock set. */
  const setUp = async () => {
    const world = makeWorld([aModule({ retry: RETRY })]);
    const machine = makeMachineClock(world.clock);
    const replica = world.makeReplica({ machine });
    await replica.tick();
    return { world, machine, replica };
  };

  it("puts off no attempt that was waiting before", async () => {
    const { world, machine, replica } = await setUp();
    await replica.accept(deliver(world));
    world.cluster.run(world.jobName());
    world.cluster.fail(world.jobName());
    await replica.tick();
    machine.step(stepMs);
    await replica.tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2 });
    world.clock.advance(RETRY.backoff.firstMs);
    await replica.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2 });
  });

  it("keeps a tick within its time, and does not end it early", async () => {
    const { world, machine, replica } = await setUp();
    for (let n = 1; n <= 40; n += 1) await replica.accept(deliver(world));
    for (const name of world.cluster.names()) world.cluster.succeed(name);
    // The clock is set while the tick is at work, and each settlement takes three seconds.
    let settlements = 0;
    const completeDeferred: typeof world.broker.completeDeferred = async (key) => {
      if (settlements === 0) machine.step(stepMs);
      settlements += 1;
      world.clock.advance(3_000);
      return world.broker.completeDeferred(key);
    };
    await world.makeReplica({ machine, broker: { ...world.broker, completeDeferred } }).tick();
    expect(settlements).toBeGreaterThan(15);
    expect(settlements).toBeLessThan(40);
  });

  it("lets no trigger go by an old count of what is open", async () => {
    const { world, machine, replica } = await setUp();
    await replica.accept(deliver(world));
    machine.step(stepMs);
    world.clock.advance(11_000);
    let counted = 0;
    world.table.beforeNext("atWork", () => (counted += 1));
    await replica.accept(deliver(world));
    expect(counted).toBe(1);
  });
});
