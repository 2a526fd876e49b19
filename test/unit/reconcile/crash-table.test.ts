import { describe, expect, it } from "vitest";
import { LockLostError } from "../../../shared/errors.ts";
import { makeLog } from "../../../shared/log.ts";
import { viewCluster } from "../../../shared/observe/cluster-view.ts";
import { acceptCluster } from "../../../shared/operate/accept-cluster.ts";
import { acceptLoss } from "../../../shared/operate/accept-loss.ts";
import { adoptMessage } from "../../../shared/operate/adopt-message.ts";
import { aModule } from "../../support/a-module.ts";
import { BY_HAND } from "../../support/a-person.ts";
import { makeFakeRunTable } from "../../support/fake-run-table.ts";
import { LOCK_MS, makeWorld, RETRY, SOURCE, type World, withRun } from "../../support/world.ts";

// The crash table has one `describe` per row, `row 1` to `row 19`, which names what crashed or got lost.
// crash-between-calls.test.ts tries every call of whole runs, and test/property/ tries any order of events.

const NO_LOG = makeLog({ info: () => {}, warn: () => {}, error: () => {} });

/** Ticks until no run is open. */
async function toTheEnd(world: World, stepMs = 20_000): Promise<void> {
  for (let tick = 0; tick < 60 && world.open().length > 0; tick += 1) {
    world.clock.advance(stepMs);
    await world.tick();
  }
}

/** The messages of the lines that were logged as errors. */
function alarms(world: World): unknown[] {
  return world.lines.filter(({ level }) => level === "error").map(({ message }) => message);
}

/** Lets the Job succeed, and expects that its message is completed once and that no other Job was started. */
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

describe("row 1: the replica dies before it writes the row", () => {
  it("the lock lapses, and the bus delivers the message again", async () => {
    const world = makeWorld();
    world.table.failNext("insert");
    expect((await world.send()).outcome).toBe("left");
    expect(world.open()).toHaveLength(0);
    expect(await world.accept(world.redeliver())).toBe("dispatched");
    await expectOneSuccess(world);
  });
});

describe("row 2: the row is written, and the message is not deferred", () => {
  it("the next delivery finds the row and goes on", async () => {
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
});

describe("row 3: the defer is sent, and its reply is lost", () => {
  it("the tick's peek tells that the defer worked", async () => {
    const world = makeWorld();
    world.broker.loseNextReply("defer");
    expect((await world.send()).outcome).toBe("left");
    expect(world.run()).toMatchObject({ status: "accepted" });
    world.clock.advance(20_000);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched" });
    await expectOneSuccess(world);
  });

  it("the trigger's own peek tells so, if the lock is lost", async () => {
    const world = makeWorld();
    world.broker.loseNextReply("defer", new LockLostError("the lock on the message is lost"));
    expect((await world.send()).outcome).toBe("dispatched");
    await expectOneSuccess(world);
  });
});

describe("row 4: the message is deferred, and has no Job", () => {
  it("the tick peeks at the body and creates the Job", async () => {
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
});

describe("row 5: the Job is created, and the row is not updated", () => {
  it("the tick finds the Job by its name, which follows from the attempt, and adopts it", async () => {
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

  it("the next create is told that the Job exists, and adopts it, if the reply of the first was lost", async () => {
    const world = makeWorld();
    world.cluster.loseNextReply("create");
    await world.send();
    const [name = ""] = world.cluster.names();
    // The cluster answered this list before the Job was there.
    world.clock.advance(20_000);
    world.cluster.listJobs = () => Promise.resolve({ jobs: [], version: "0" });
    await world.tick();
    Reflect.deleteProperty(world.cluster, "listJobs");
    expect(world.run()).toMatchObject({ status: "dispatched", jobName: name, attempt: 1, interruptions: 0 });
    await expectOneSuccess(world);
  });
});

describe("row 6: the Job ends while no tick runs", () => {
  it("the next tick settles the message, even days later", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.clock.advance(5 * 86_400_000);
    await world.tick();
    expect(world.message(1).state).toBe("completed");
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });
});

describe("row 7: the message is received, and the replica dies before it completes it", () => {
  it("the message is busy until its lock lapses, and is completed then", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.broker.lockDeferred(SOURCE, 1);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "settling", busyCount: 1 });
    expect(world.run()).not.toHaveProperty("absentSince");
    // The lock lapses by itself.
    await toTheEnd(world);
    expect(world.message(1).state).toBe("completed");
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });
});

describe("row 8: the message is completed, and the row is not closed", () => {
  it("the tick closes the row by its verdict, because the message is gone", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.table.failNext("close");
    await world.tick();
    expect(world.run()).toMatchObject({ status: "settling", verdict: { outcome: "succeeded" } });
    expect(world.message(1).state).toBe("completed");
    await toTheEnd(world);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });
});

describe("row 9: the replica dies around the abandon of a requeue", () => {
  it.each([
    ["before it", "failNext", 1],
    ["after it", "loseNextReply", 1],
  ] as const)("the tick repeats the abandon after a crash %s, and counts once", async (_, crash, rise) => {
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
});

describe("row 10: the message is dead-lettered, and the row is not closed", () => {
  it("the tick closes the row by its verdict, because the message is gone, if the dead-letter's reply was lost", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName(), 64);
    world.broker.loseNextReply("deadLetterDeferred");
    await world.tick();
    expect(world.message(1)).toMatchObject({ state: "dead-lettered", letter: { reason: "JobFailed" } });
    await toTheEnd(world);
    expect(world.closed()).toMatchObject([{ status: "failed", failures: 1, attempt: 1 }]);
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("the tick closes the row by its verdict, because the message is gone, if only the close failed", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName(), 64);
    world.table.failNext("close");
    await world.tick();
    expect(world.message(1).state).toBe("dead-lettered");
    expect(world.run()).toMatchObject({ status: "settling", verdict: { outcome: "failed", reason: "JobFailed" } });
    await toTheEnd(world);
    expect(world.closed()).toMatchObject([{ status: "failed", failures: 1, attempt: 1 }]);
  });
});

describe("row 11: two replicas tick at once", () => {
  it("ETags guard the row, and each step is done once", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    const other = world.makeReplica();
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

  it("one receive wins, and the other gets MessageNotFound, waits, and finds the run closed", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    const outcomes: string[] = [];
    const completeDeferred: typeof world.broker.completeDeferred = async (key) => {
      const outcome = await world.broker.completeDeferred(key);
      outcomes.push(outcome);
      return outcome;
    };
    const broker = { ...world.broker, completeDeferred };
    await Promise.all([world.makeReplica({ broker }).tick(), world.makeReplica({ broker }).tick()]);
    await toTheEnd(world);
    expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1);
    expect(world.message(1)).toMatchObject({ state: "completed" });
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });
});

describe("row 12: the row is lost", () => {
  it("the sweep rebuilds the row from the message's stamps and the Job, and raises an alarm", async () => {
    const world = await withRun();
    world.table.forget(world.run());
    await world.tick();
    expect(alarms(world)).toContain("rebuilt a lost row from its message");
    await expectOneSuccess(world);
  });

  it("the sweep takes the attempt from the message's stamp", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    expect(world.message(1).properties["dispatcher-attempt"]).toBe(2);
    world.table.forget(world.run());
    await world.tick();
    expect(world.run()).toMatchObject({ status: "accepted", attempt: 2, failures: 1 });
  });

  it("the sweep takes the attempt from the Job that is there, if the stamp was not written", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    const unstamped = { ...world.broker, requeueDeferred: () => Promise.resolve("done" as const) };
    const replica = world.makeReplica({ broker: unstamped });
    await replica.tick();
    world.clock.advance(10_000);
    await replica.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2 });
    const [, second = ""] = world.cluster.names();
    world.table.forget(world.run());
    for (let tick = 0; tick < 3; tick += 1) await world.tick();
    // The first attempt's name must not be needed, because its Job is a tombstone only until its TTL ends.
    const rebuilt = { attempt: 2, jobName: second, failures: 1, interruptions: 0 };
    expect(world.run()).toMatchObject({ status: "dispatched", ...rebuilt });
    expect(world.cluster.names()).toHaveLength(2);
  });

  it("the sweep peeks at a small page per tick, and the next replica goes on from its stored cursor", async () => {
    const world = makeWorld([aModule({ retry: RETRY, maxActive: 1_000 })]);
    for (let sent = 0; sent < 120; sent += 1) await world.send();
    for (const run of world.open()) world.table.forget(run);
    const pages: number[] = [];
    const browse: typeof world.broker.browse = async (source, from, count) => {
      const page = await world.broker.browse(source, from, count);
      pages.push(page.length);
      return page;
    };
    const rebuilt: number[] = [];
    for (let replica = 0; replica < 4; replica += 1) {
      await world.makeReplica({ broker: { ...world.broker, browse } }).tick();
      rebuilt.push(world.open().length);
    }
    expect(pages).toEqual([50, 50, 20, 50]);
    expect(rebuilt).toEqual([50, 100, 120, 120]);
  });

  it("the sweep does not take a settlement in flight for a lost row", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    const page = await world.broker.browse(SOURCE, 0, 50);
    await world.makeReplica({ broker: { ...world.broker, browse: () => Promise.resolve(page) } }).tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.open()).toEqual([]);
    expect(world.lastTick()).toMatchObject({ orphans: 0 });
  });
});

describe("row 13: the TTL passes while the Job runs", () => {
  it("the tick finds the message gone at settlement, logs that, and closes the row", async () => {
    const world = makeWorld();
    await world.send({ ttlMs: 60_000 });
    world.cluster.run(world.jobName());
    world.clock.advance(120_000);
    world.cluster.succeed(world.jobName());
    await toTheEnd(world);
    expect(world.message(1).state).toBe("expired");
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.lines.map(({ message }) => message)).toContain(
      "the message was gone already: settled by an earlier try, expired, or taken by another receiver",
    );
  });

  it("the next attempt runs after a failed one, without an abandon, because a receive would drop the message", async () => {
    const world = makeWorld();
    await world.send({ ttlMs: 60_000 });
    world.cluster.run(world.jobName());
    world.clock.advance(120_000);
    world.cluster.fail(world.jobName());
    await world.tick();
    world.clock.advance(10_000);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2, failures: 1 });
    expect(world.message(1)).toMatchObject({ state: "deferred" });
    world.cluster.succeed(world.jobName());
    await toTheEnd(world);
    expect(world.closed()).toMatchObject([{ status: "succeeded", attempt: 2 }]);
  });

  it("the tick closes a waiting run as lost, and raises an alarm, if the bus dropped its message", async () => {
    const world = makeWorld();
    world.cluster.quotaNext();
    await world.send({ ttlMs: 60_000 });
    world.clock.advance(120_000);
    // Another receiver asks for the message, because only then does the bus look at its time.
    world.broker.lockDeferred(SOURCE, 1);
    await toTheEnd(world, LOCK_MS);
    expect(world.message(1).state).toBe("expired");
    expect(world.closed()).toMatchObject([{ status: "lost" }]);
    expect(alarms(world)).toContain("closed a run as lost: its message is gone from the bus");
    expect(world.cluster.creates).toHaveLength(1);
  });
});

describe("row 14: a replica sleeps between any two steps, wakes and goes on", () => {
  it("a replica that sleeps before the defer wakes when all is over, and its lock token is dead", async () => {
    const world = makeWorld();
    world.broker.beforeNext("defer", async () => {
      // Meanwhile the lock lapses, and another replica takes the message to its end.
      const other = world.makeReplica();
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

  it("a replica that sleeps before the insert wakes when all is over, and meets the `run|` row, which stays", async () => {
    const world = makeWorld();
    world.table.beforeNext("insert", async () => {
      const other = world.makeReplica();
      await other.accept(world.redeliver());
      world.cluster.run(world.jobName());
      world.cluster.succeed(world.jobName());
      await other.tick();
    });
    expect((await world.send()).outcome).toBe("left");
    expect(world.open()).toHaveLength(0);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("a replica that sleeps before the create wakes when the attempt is over, and meets the Job's tombstone", async () => {
    const world = makeWorld();
    const create = world.cluster.create.bind(world.cluster);
    world.cluster.create = async (job) => {
      world.cluster.create = create;
      world.clock.advance(20_000);
      const other = world.makeReplica();
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

  it("a replica that sleeps before it writes the row is stopped by the ETag, reads again, and changes nothing", async () => {
    const world = makeWorld();
    world.table.beforeNext("update", async () => {
      world.clock.advance(20_000);
      const other = world.makeReplica();
      await other.tick();
      world.cluster.run(world.jobName());
      world.cluster.fail(world.jobName());
      await other.tick();
      expect(world.run()).toMatchObject({ status: "waiting", attempt: 2 });
    });
    await world.send();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2, failures: 1 });
  });
});

describe("row 15: the entity is recreated, and numbers start again", () => {
  it("the same number with another enqueued time gets another run and another Job", async () => {
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

  it("the open run of an old message does not settle a new message of the same number", async () => {
    const world = await withRun();
    world.broker.recreate(SOURCE);
    world.clock.advance(1_000);
    expect((await world.send()).outcome).toBe("dispatched");
    world.cluster.succeed(world.jobName());
    for (let tick = 0; tick < 40 && world.open().length > 1; tick += 1) {
      world.clock.advance(20_000);
      await world.tick();
    }
    expect(world.message(1).state).toBe("deferred");
    world.cluster.succeed(world.jobName());
    await toTheEnd(world);
    expect(world.message(1).state).toBe("completed");
  });

  it("each Job reads the body of its own message", async () => {
    const world = makeWorld();
    await world.send({ body: "a".repeat(20_000) });
    world.broker.recreate(SOURCE);
    world.clock.advance(1_000);
    const replica = world.makeReplica({ tables: makeFakeRunTable({ clock: world.clock }) });
    await replica.accept(world.broker.deliver(SOURCE, { body: "b".repeat(20_000) }));
    const bodies = [...world.payloads.bodies.values()].map((body) => Buffer.from(body).toString().slice(0, 1));
    expect(bodies).toEqual(["a", "b"]);
    const urls = world.cluster.creates.map(({ spec }) => spec?.template.metadata?.annotations?.["ion/message-url"]);
    expect(new Set(urls).size).toBe(2);
  });
});

describe("row 16: the table is restored empty, or a second instance is on the source", () => {
  it("the tick reports messages of another owner, and does not adopt them", async () => {
    const world = await withRun();
    const second = world.makeReplica({ tables: makeFakeRunTable({ clock: world.clock, owner: "owner-2" }) });
    await second.tick();
    expect(world.lastTick()).toMatchObject({ orphans: 1 });
    expect(world.cluster.names()).toHaveLength(1);
    expect(world.message(1)).toMatchObject({ state: "deferred", properties: { "dispatcher-owner": "owner-1" } });
    await expectOneSuccess(world);
  });

  it("a message that a person adopts goes on from its Job", async () => {
    const world = await withRun();
    const key = world.run();
    const table = makeFakeRunTable({ clock: world.clock, owner: "owner-2" });
    const restored = world.makeReplica({ tables: table });
    expect(await adoptMessage(restored.deps, key, await viewCluster(restored.deps), BY_HAND, NO_LOG)).toMatchObject({
      kind: "done",
    });
    world.cluster.succeed(world.cluster.names()[0] ?? "");
    await restored.tick();
    expect(world.message(1).state).toBe("completed");
    expect(table.rows().closed).toMatchObject([{ status: "succeeded", attempt: 1 }]);
    expect(world.cluster.names()).toHaveLength(1);
  });
});

describe("row 17: the wrong cluster or namespace: every Job is absent", () => {
  it("the tick judges none of the many absent Jobs, starts none, and raises an alarm", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 12; sent += 1) await world.send();
    world.cluster.quotaNext();
    await world.send();
    const elsewhere = makeWorld().cluster;
    const replica = world.makeReplica({ cluster: elsewhere });
    for (let tick = 0; tick < 5; tick += 1) {
      world.clock.advance(LOCK_MS);
      await replica.tick();
    }
    const statuses = world.open().map(({ status, attempt }) => `${status} ${attempt}`);
    expect(statuses).toEqual([...Array.from({ length: 12 }, () => "dispatched 1"), "waiting 1"]);
    expect(elsewhere.names()).toEqual([]);
    expect(world.lines.filter(({ level }) => level === "error")).not.toHaveLength(0);
    // Back on the right cluster, nothing is lost.
    for (const name of world.cluster.names()) {
      world.cluster.run(name);
      world.cluster.succeed(name);
    }
    await world.tick();
    expect(world.closed()).toHaveLength(12);
    expect(world.run().status).toBe("dispatched");
  });

  it("its namespace has another uid, so that a replica does nothing there, however few Jobs are at work", async () => {
    const world = await withRun();
    const elsewhere = makeWorld().cluster;
    const replica = world.makeReplica({ cluster: elsewhere });
    for (let tick = 0; tick < 5; tick += 1) {
      world.clock.advance(LOCK_MS);
      await replica.tick();
      await replica.accept(world.broker.deliver(SOURCE, { body: "{}" }));
    }
    expect(elsewhere.creates).toEqual([]);
    expect(world.open().map(({ attempt, interruptions }) => attempt + interruptions)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(alarms(world)).not.toHaveLength(0);
    for (const name of world.cluster.names()) world.cluster.succeed(name);
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded", attempt: 1 }]);
  });

  it("each run goes on with its next attempt, as an interruption, if a person says that the Jobs are gone", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 12; sent += 1) await world.send();
    for (const name of world.cluster.names()) world.cluster.deleteJob(name);
    await world.tick();
    expect(world.lastTick()).toMatchObject({ waiting: { "wrong-cluster": 12 } });
    await acceptCluster(world.deps, BY_HAND, NO_LOG);
    for (let tick = 0; tick < 2; tick += 1) {
      world.clock.advance(10_000);
      await world.tick();
    }
    const now = world
      .open()
      .map(({ status, attempt, interruptions, failures }) => [status, attempt, interruptions, failures]);
    expect(now).toEqual(Array.from({ length: 12 }, () => ["dispatched", 2, 1, 0]));
  });
});

describe("row 18: a rejection whose dead-lettering was cut off", () => {
  it("the next delivery carries out the row's verdict with its own lock token", async () => {
    const world = makeWorld([aModule({ retry: RETRY, when: { subject: "mine" } })]);
    world.broker.failNext("deadLetterLocked");
    expect((await world.send()).outcome).toBe("left");
    expect(world.run()).toMatchObject({ status: "settling", verdict: { outcome: "rejected" } });
    // By now a module would take the message, but the verdict stands.
    const newer = world.makeReplica({ modules: new Map([["thumbnail", aModule()]]) });
    expect(await newer.accept(world.redeliver())).toBe("rejected");
    expect(world.message(1)).toMatchObject({ state: "dead-lettered", letter: { reason: "DispatchRejected" } });
    expect(world.cluster.creates).toHaveLength(0);
  });

  it("the tick finds the message gone, and closes the row by its verdict, if the rejection's reply was lost", async () => {
    const world = makeWorld([aModule({ when: { subject: "mine" } })]);
    world.broker.loseNextReply("deadLetterLocked");
    await world.send();
    await toTheEnd(world);
    expect(world.closed()).toMatchObject([{ status: "rejected" }]);
  });
});

describe("row 19: the entity is deleted, or the bus is another namespace", () => {
  it("its runs are held, with an alarm, and go on when the entity is there again", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.broker.remove(SOURCE);
    for (let hour = 0; hour < 23; hour += 1) {
      await world.tick();
      world.clock.advance(3_600_000);
    }
    expect(world.open()).toHaveLength(1);
    expect(alarms(world)).toHaveLength(23);
    world.broker.bringBack(SOURCE);
    await toTheEnd(world);
    expect(world.message(1).state).toBe("completed");
  });

  it("its runs are closed as lost after 24 hours in which the namespace answered", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    world.broker.remove(SOURCE);
    await toTheEnd(world, 3_600_000);
    expect(world.closed()).toMatchObject([{ status: "lost" }]);
    expect(alarms(world)).toContain("closed a run as lost: its message is gone from the bus");
  });

  it("none of many runs whose messages are not there is closed, unless a person says that they are lost", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 12; sent += 1) await world.send();
    for (const name of world.cluster.names()) world.cluster.fail(name);
    await world.tick();
    world.broker.recreate(SOURCE);
    await toTheEnd(world, LOCK_MS);
    expect(world.closed()).toEqual([]);
    expect(world.open()).toHaveLength(12);
    await acceptLoss(world.deps, SOURCE, BY_HAND, NO_LOG);
    await toTheEnd(world, LOCK_MS);
    expect(world.closed().map(({ status }) => status)).toEqual(Array.from({ length: 12 }, () => "lost"));
  });
});
