import { describe, expect, it } from "vitest";
import { LockLostError } from "../../../shared/errors.ts";
import { aModule } from "../../support/a-module.ts";
import { makeFakeRunTable } from "../../support/fake-run-table.ts";
import { LOCK_MS, makeWorld, RETRY, SOURCE } from "../../support/world.ts";

type World = ReturnType<typeof makeWorld>;

/** A world with one message whose first Job runs. */
async function withRun(world: World = makeWorld()): Promise<World> {
  await world.send();
  world.cluster.run(world.jobName());
  return world;
}

/** Ticks until nothing is open. */
async function toTheEnd(world: World, stepMs = 20_000): Promise<void> {
  for (let tick = 0; tick < 60 && world.open().length > 0; tick += 1) {
    world.clock.advance(stepMs);
    await world.tick();
  }
}

/** Its Job succeeds, its message is completed, once, and nothing else was started. */
async function expectOneSuccess(world: World): Promise<void> {
  if (world.open()[0]?.status !== "dispatched") {
    world.clock.advance(20_000);
    await world.tick();
  }
  world.cluster.run(world.jobName());
  world.cluster.succeed(world.jobName());
  await toTheEnd(world);
  expect(world.message(1).state).toBe("completed");
  expect(world.closed()).toMatchObject([{ status: "succeeded", attempt: 1, failures: 0, interruptions: 0 }]);
  expect(world.cluster.names()).toHaveLength(1);
}

describe("what heals each crash or loss", () => {
  it("1 before the row: the lock lapses, and the message is delivered again", async () => {
    const world = makeWorld();
    world.table.failNext("insert");
    expect((await world.send()).outcome).toBe("left");
    expect(world.open()).toHaveLength(0);
    expect(await world.accept(world.redeliver())).toBe("dispatched");
    await expectOneSuccess(world);
  });

  it("2 row, not deferred: the next delivery finds the row and goes on", async () => {
    const world = makeWorld();
    world.broker.failNext("defer");
    expect((await world.send()).outcome).toBe("left");
    for (let tick = 0; tick < 5; tick += 1) {
      world.clock.advance(20_000);
      await world.tick();
    }
    expect(world.run()).toMatchObject({ status: "accepted" });
    expect(world.cluster.creates).toHaveLength(0);
    expect(await world.accept(world.redeliver())).toBe("dispatched");
    await expectOneSuccess(world);
  });

  it.each([
    ["the call fails", undefined],
    ["the retry finds the lock lost", new LockLostError("the lock on the message is lost")],
  ])("3 defer sent, reply lost: the timer's peek tells, when %s", async (_, error) => {
    const world = makeWorld();
    world.broker.loseNextReply("defer", error);
    expect((await world.send()).outcome).toBe("left");
    expect(world.run()).toMatchObject({ status: "accepted" });
    world.clock.advance(20_000);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched" });
    await expectOneSuccess(world);
  });

  it("4 deferred, no Job: the timer reads the body by peek and creates it", async () => {
    const world = makeWorld();
    world.cluster.failNext("create");
    expect((await world.send({ body: "the body" })).outcome).toBe("deferred");
    world.clock.advance(20_000);
    await world.tick();
    expect(world.cluster.creates.at(-1)?.spec?.template.metadata?.annotations).toMatchObject({
      "ion/message": "the body",
    });
    await expectOneSuccess(world);
  });

  it("5 Job made, row not updated: its name is deterministic, and it is adopted", async () => {
    const world = makeWorld();
    world.table.failNext("update");
    expect((await world.send()).outcome).toBe("deferred");
    expect(world.run()).toMatchObject({ status: "accepted" });
    const [name = ""] = world.cluster.names();
    world.clock.advance(20_000);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", jobName: name });
    expect(world.cluster.creates).toHaveLength(1);
    await expectOneSuccess(world);
  });

  it("5 Job made, reply lost: the next create is told that it exists, and adopts it", async () => {
    const world = makeWorld();
    world.cluster.loseNextReply("create");
    await world.send();
    const [name = ""] = world.cluster.names();
    // This list was taken before the Job was there.
    world.clock.advance(20_000);
    world.cluster.listJobs = () => Promise.resolve([]);
    await world.tick();
    Reflect.deleteProperty(world.cluster, "listJobs");
    expect(world.run()).toMatchObject({ status: "dispatched", jobName: name, attempt: 1, interruptions: 0 });
    await expectOneSuccess(world);
  });

  it("6 Job ended, timer dead: the next tick settles, even days later", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.clock.advance(5 * 86_400_000);
    await world.tick();
    expect(world.message(1).state).toBe("completed");
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("7 received deferred, crash before complete: busy until the lock lapses, then completed", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.broker.holdDeferred(SOURCE, 1);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "settling", busyCount: 1 });
    expect(world.run()).not.toHaveProperty("absentSince");
    // The lock lapses by itself.
    await toTheEnd(world);
    expect(world.message(1).state).toBe("completed");
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("8 completed, row not closed: the verdict is in the row, and the message gone", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.table.failNext("close");
    await world.tick();
    expect(world.run()).toMatchObject({ status: "settling", verdict: { outcome: "succeeded" } });
    expect(world.message(1).state).toBe("completed");
    await toTheEnd(world);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it.each([
    ["before it", "failNext", 1],
    ["after it", "loseNextReply", 1],
  ] as const)("9 requeueing, crash around the abandon: repeated %s, counted once", async (_, crash, rise) => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    world.broker[crash]("requeueDeferred");
    const before = world.message(1).deliveryCount;
    await world.tick();
    expect(world.run()).toMatchObject({ status: "requeueing", attempt: 2, failures: 1 });
    await world.tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2, failures: 1 });
    expect(world.message(1).deliveryCount).toBe(before + rise);
    expect(world.message(1).properties["dispatcher-attempt"]).toBe(2);
  });

  it("10 dead-lettered, row not closed: the verdict is in the row, and the message gone", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName(), 64);
    world.broker.loseNextReply("deadLetterDeferred");
    await world.tick();
    expect(world.message(1)).toMatchObject({ state: "dead-lettered", letter: { reason: "JobFailed" } });
    await toTheEnd(world);
    expect(world.closed()).toMatchObject([{ status: "failed", failures: 1, attempt: 1 }]);
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("11 two timers at once: one settlement wins, and ETags guard the row", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    const other = world.makeProcess();
    await Promise.all([world.tick(), other.tick()]);
    expect(world.run()).toMatchObject({ attempt: 2, failures: 1 });
    await world.tick();
    world.clock.advance(10_000);
    await Promise.all([world.tick(), other.tick()]);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2 });
    expect(world.cluster.names()).toHaveLength(2);
    world.cluster.run(world.jobName());
    world.cluster.succeed(world.jobName());
    await Promise.all([world.tick(), other.tick()]);
    await toTheEnd(world);
    expect(world.closed()).toMatchObject([{ status: "succeeded", attempt: 2, failures: 1 }]);
  });

  it("12 row lost: the sweep rebuilds it from the message's stamps and the Job, and raises an alarm", async () => {
    const world = await withRun();
    world.table.forget(world.run());
    await world.tick();
    const alarms = world.lines.filter(({ level }) => level === "error").map(({ message }) => message);
    expect(alarms).toContain("rebuilt a lost row from its message");
    await expectOneSuccess(world);
  });

  it("13 TTL passed while running: the message is gone at settlement; it is said, and the row closed", async () => {
    const world = makeWorld();
    await world.send({ ttlMs: 60_000 });
    world.cluster.run(world.jobName());
    world.clock.advance(120_000);
    world.cluster.succeed(world.jobName());
    await toTheEnd(world);
    expect(world.message(1).state).toBe("expired");
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.lines.map(({ message }) => message)).toContain(
      "the message was gone already: settled by an earlier try, expired, or taken by somebody else",
    );
  });

  it("14 a process sleeps before the defer, and wakes when all is over: its token is dead", async () => {
    const world = makeWorld();
    world.broker.beforeNext("defer", async () => {
      // Meanwhile the lock lapses, and another process takes the message to its end.
      const other = world.makeProcess();
      expect(await other.accept(world.redeliver())).toBe("dispatched");
      world.cluster.run(world.jobName());
      world.cluster.succeed(world.jobName());
      await other.tick();
      expect(world.closed()).toHaveLength(1);
    });
    expect((await world.send()).outcome).toBe("left");
    expect(world.cluster.names()).toHaveLength(1);
    expect(world.message(1).state).toBe("completed");
  });

  it("14 a process sleeps before the row, and wakes when all is over: the `run|` row is there for good", async () => {
    const world = makeWorld();
    world.table.beforeNext("insert", async () => {
      const other = world.makeProcess();
      await other.accept(world.redeliver());
      world.cluster.run(world.jobName());
      world.cluster.succeed(world.jobName());
      await other.tick();
    });
    expect((await world.send()).outcome).toBe("left");
    expect(world.open()).toHaveLength(0);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("14 a process sleeps before the create, and wakes when the attempt is over: the Job is its name's tombstone", async () => {
    const world = makeWorld();
    const create = world.cluster.create.bind(world.cluster);
    world.cluster.create = async (job) => {
      world.cluster.create = create;
      world.clock.advance(20_000);
      const other = world.makeProcess();
      await other.tick();
      world.cluster.run(world.jobName());
      world.cluster.fail(world.jobName(), 64);
      await other.tick();
      expect(world.closed()).toMatchObject([{ status: "failed" }]);
      return create(job);
    };
    expect((await world.send()).outcome).toBe("deferred");
    expect(world.cluster.names()).toHaveLength(1);
    expect(world.open()).toHaveLength(0);
  });

  it("14 a process sleeps before it writes the row: the ETag has it read again, and change nothing", async () => {
    const world = makeWorld();
    world.table.beforeNext("update", async () => {
      world.clock.advance(20_000);
      const other = world.makeProcess();
      await other.tick();
      world.cluster.run(world.jobName());
      world.cluster.fail(world.jobName());
      await other.tick();
      expect(world.run()).toMatchObject({ status: "waiting", attempt: 2 });
    });
    await world.send();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2, failures: 1 });
  });

  it("15 the entity is recreated: the same number at another time is another run, another Job", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName(), 64);
    await world.tick();
    world.broker.recreate(SOURCE);
    world.clock.advance(1_000);
    expect(await world.send()).toMatchObject({ sequenceNumber: 1, outcome: "dispatched" });
    await world.tick();
    expect(world.cluster.names()).toHaveLength(2);
    world.cluster.run(world.jobName());
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.message(1).state).toBe("completed");
  });

  it("15 the entity is recreated while a run is open: another message of its number is not settled for it", async () => {
    const world = await withRun();
    world.broker.recreate(SOURCE);
    world.clock.advance(1_000);
    expect((await world.send()).outcome).toBe("left");
    world.cluster.succeed(world.jobName());
    await toTheEnd(world);
    expect(world.message(1).state).toBe("active");
    expect(await world.accept(world.redeliver())).toBe("dispatched");
  });

  it("16 table restored empty, or a second Dispatcher: other owners' messages are reported and not adopted", async () => {
    const world = await withRun();
    const stranger = world.makeProcess({ table: makeFakeRunTable({ clock: world.clock, owner: "owner-2" }) });
    await stranger.tick();
    expect(world.lastTick()).toMatchObject({ orphans: 1 });
    expect(world.cluster.names()).toHaveLength(1);
    expect(world.message(1)).toMatchObject({ state: "deferred", properties: { "dispatcher-owner": "owner-1" } });
    await expectOneSuccess(world);
  });

  it("17 wrong cluster: none of the many Jobs that are absent is judged, none is started, and it raises an alarm", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 12; sent += 1) await world.send();
    world.cluster.quotaNext();
    await world.send();
    const elsewhere = makeWorld().cluster;
    const process = world.makeProcess({ cluster: elsewhere });
    for (let tick = 0; tick < 5; tick += 1) {
      world.clock.advance(LOCK_MS);
      await process.tick();
    }
    const statuses = world.open().map(({ status, attempt }) => `${status} ${attempt}`);
    expect(statuses).toEqual([...Array.from({ length: 12 }, () => "dispatched 1"), "waiting 1"]);
    expect(elsewhere.names()).toEqual([]);
    expect(world.lines.filter(({ level }) => level === "error")).not.toHaveLength(0);
    // The right one again: nothing was lost.
    for (const name of world.cluster.names()) {
      world.cluster.run(name);
      world.cluster.succeed(name);
    }
    await world.tick();
    expect(world.closed()).toHaveLength(12);
    expect(world.run().status).toBe("dispatched");
  });

  it("18 a rejection that was cut off: the next delivery carries out the row's verdict with its own token", async () => {
    const world = makeWorld([aModule({ retry: RETRY, when: { subject: "mine" } })]);
    world.broker.failNext("deadLetterLocked");
    expect((await world.send()).outcome).toBe("left");
    expect(world.run()).toMatchObject({ status: "settling", verdict: { outcome: "rejected" } });
    // By now a module would take it; the verdict stands.
    const newer = world.makeProcess({ modules: new Map([["thumbnail", aModule()]]) });
    expect(await newer.accept(world.redeliver())).toBe("rejected");
    expect(world.message(1)).toMatchObject({ state: "dead-lettered", letter: { reason: "DispatchRejected" } });
    expect(world.cluster.creates).toHaveLength(0);
  });

  it("18 a rejection whose reply was lost: the timer finds the message gone, and closes by the verdict", async () => {
    const world = makeWorld([aModule({ when: { subject: "mine" } })]);
    world.broker.loseNextReply("deadLetterLocked");
    await world.send();
    await toTheEnd(world);
    expect(world.closed()).toMatchObject([{ status: "rejected" }]);
  });
});
