import { describe, expect, it } from "vitest";
import type { Dependencies } from "../../../shared/dependencies.ts";
import { makeLog } from "../../../shared/log.ts";
import { viewCluster } from "../../../shared/observe/cluster-view.ts";
import { acceptCluster } from "../../../shared/operate/accept-cluster.ts";
import { acceptLoss } from "../../../shared/operate/accept-loss.ts";
import { adoptMessage } from "../../../shared/operate/adopt-message.ts";
import { audit as walk } from "../../../shared/operate/audit/audit.ts";
import { cancelRun } from "../../../shared/operate/cancel-run.ts";
import { forceRun } from "../../../shared/operate/force-run.ts";
import type { ForcedOutcome } from "../../../shared/operate/forced-outcome.ts";
import { makeOperator } from "../../../shared/operate/operator.ts";
import { runsNamed, sourcesNamed } from "../../../shared/operate/run-named.ts";
import type { MessageBroker } from "../../../shared/ports/message-broker.ts";
import { attemptsHad, type RunKey, runId } from "../../../shared/run/run.ts";
import { aModule } from "../../support/a-module.ts";
import { BY_HAND } from "../../support/a-person.ts";
import { FakeCluster } from "../../support/fake-cluster.ts";
import { makeFakeRunTable } from "../../support/fake-run-table.ts";
import { LOCK_MS, makeWorld, RETRY, SOURCE, ticks, type World, withRun } from "../../support/world.ts";

/** Makes a log that collects the lines of the actions. */
function aLog(lines: string[] = []) {
  const push = (line: string) => void lines.push(line);
  return makeLog({ info: push, warn: push, error: push });
}

async function audit(deps: Dependencies) {
  return (await walk(deps)).findings;
}

async function toTheEnd(world: World, replica: Pick<World, "tick"> = world): Promise<void> {
  for (let tick = 0; tick < 20 && world.open().length > 0; tick += 1) {
    world.clock.advance(20_000);
    await replica.tick();
  }
}

describe("adopting a message", () => {
  const adopt = async (world: World, key: RunKey, deps = world.deps) =>
    adoptMessage(deps, key, await viewCluster(deps), BY_HAND, aLog());

  /** A replica on a table that was restored empty, beside one on the old table. */
  async function afterRestore() {
    const world = await withRun();
    const key = world.run();
    const table = makeFakeRunTable({ clock: world.clock, owner: "owner-2" });
    const replica = world.makeReplica({ tables: table });
    return { world, key, table, replica };
  }

  it("goes page by page through all of an owner, because there may be one for each row that was lost", async () => {
    const world = makeWorld([aModule({ maxActive: 0 })]);
    for (let n = 0; n < 300; n += 1) await world.send();
    const table = makeFakeRunTable({ clock: world.clock, owner: "owner-2" });
    const { deps } = world.makeReplica({ tables: table });
    const did: string[] = [];
    const browse: typeof deps.broker.browse = (...asked) => {
      did.push("peeked");
      return deps.broker.browse(...asked);
    };
    const insert: typeof deps.table.insert = (...asked) => {
      did.push("adopted");
      return deps.table.insert(...asked);
    };
    const watched = { ...deps, broker: { ...deps.broker, browse }, table: { ...deps.table, insert } };
    const answers = await makeOperator(watched, aLog()).adoptAllOf("owner-1", BY_HAND);
    expect(answers).toHaveLength(300);
    expect(new Set(answers.map(([, { kind }]) => kind))).toEqual(new Set(["done"]));
    expect(table.rows().open).toHaveLength(300);
    expect(did.indexOf("adopted")).toBeLessThan(did.lastIndexOf("peeked"));
  });

  it("gives it a row and a stamp, and the tick follows its Job, which still runs, to its end", async () => {
    const { world, key, table, replica } = await afterRestore();
    expect(await audit(replica.deps)).toMatchObject([{ kind: "orphan message", owner: "owner-1" }]);
    expect(await adopt(world, key, replica.deps)).toMatchObject({ kind: "done" });
    expect(world.message(1).properties).toMatchObject({ "dispatcher-owner": "owner-2" });
    await replica.tick();
    expect(table.rows().open).toMatchObject([{ status: "dispatched", attempt: 1 }]);
    world.cluster.succeed(world.cluster.names()[0] ?? "");
    await replica.tick();
    expect(world.message(1).state).toBe("completed");
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("is harmless if it is repeated, also after a failed insert of the row", async () => {
    const { world, key, table, replica } = await afterRestore();
    table.failNext("insert");
    await expect(adopt(world, key, replica.deps)).rejects.toThrow("insert failed");
    expect(await adopt(world, key, replica.deps)).toMatchObject({ kind: "done" });
    const { deliveryCount } = world.message(1);
    expect(await adopt(world, key, replica.deps)).toMatchObject({ kind: "already" });
    expect(world.message(1).deliveryCount).toBe(deliveryCount);
    expect(table.rows().open).toHaveLength(1);
  });

  it("leaves a message that was stamped and got no row to the sweep", async () => {
    const { world, key, table, replica } = await afterRestore();
    table.failNext("insert");
    await expect(adopt(world, key, replica.deps)).rejects.toThrow("insert failed");
    await replica.tick();
    expect(table.rows().open).toHaveLength(1);
  });

  it("dead-letters a message that no module takes and no Job works on", async () => {
    const { world, key, table } = await afterRestore();
    world.cluster.deleteJob(world.cluster.names()[0] ?? "");
    const strict = aModule({ when: { subject: "mine" } });
    const stricter = world.makeReplica({ tables: table, modules: new Map([[strict.name, strict]]) });
    expect(await adopt(world, key, stricter.deps)).toMatchObject({ kind: "done" });
    await stricter.tick();
    expect(world.message(1).letter?.reason).toBe("DispatchRejected");
  });

  it("follows a Job that is at work, though its module takes other messages by now", async () => {
    const { world, key, table } = await afterRestore();
    const strict = aModule({ when: { subject: "mine" } });
    const stricter = world.makeReplica({ tables: table, modules: new Map([[strict.name, strict]]) });
    expect(await adopt(world, key, stricter.deps)).toMatchObject({ kind: "done" });
    world.cluster.succeed(world.cluster.names()[0] ?? "");
    await stricter.tick();
    expect(world.message(1).state).toBe("completed");
  });

  it("keeps the message's own fields in the row if no module takes it", async () => {
    const world = makeWorld();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const sent = { correlationId: "order-7", subject: "theirs", ttlMs: 3_600_000, properties: { traceparent } };
    const { lockToken, ...delivery } = world.broker.deliver(SOURCE, sent);
    await world.broker.defer(SOURCE, lockToken, {});
    const { enqueuedAt, expiresAt } = world.message(1);
    const strict = aModule({ when: { subject: "mine" } });
    const replica = world.makeReplica({ modules: new Map([[strict.name, strict]]) });
    await adopt(world, { source: SOURCE, sequenceNumber: delivery.sequenceNumber, enqueuedAt }, replica.deps);
    expect(world.run()).toMatchObject({ correlationId: "order-7", subject: "theirs", traceparent, expiresAt });
  });

  it("touches no message that is busy, active, settled, or another one of the same number", async () => {
    const { world, key, replica } = await afterRestore();
    world.broker.lockDeferred(SOURCE, 1);
    expect(await adopt(world, key, replica.deps)).toMatchObject({ kind: "refused", because: "busy" });
    world.broker.send(SOURCE);
    const active = { ...key, sequenceNumber: 2 };
    expect(await adopt(world, active, replica.deps)).toMatchObject({
      kind: "refused",
      because: "message not deferred",
      state: "active",
    });
    for (const absent of [
      { ...key, sequenceNumber: 3 },
      { ...key, enqueuedAt: key.enqueuedAt - 1 },
    ])
      expect(await adopt(world, absent, replica.deps)).toMatchObject({ kind: "refused", because: "no such message" });
  });

  it("makes one row if two people adopt it at once", async () => {
    const { world, key, table, replica } = await afterRestore();
    const outcomes = await Promise.all([adopt(world, key, replica.deps), adopt(world, key, replica.deps)]);
    expect(outcomes.map(({ kind }) => kind)).toContain("done");
    expect(table.rows().open).toHaveLength(1);
  });
});

describe("giving up a Job that can't end", () => {
  /** A world with an overdue Job whose node died, so that its pod neither runs nor goes. */
  async function withDeadNode() {
    const world = await withRun();
    world.cluster.linger(world.jobName());
    world.clock.advance(48 * 3_600_000);
    await world.tick();
    expect(world.run().status).toBe("dispatched");
    return world;
  }
  const force = (world: World, as: ForcedOutcome, deps = world.deps) =>
    forceRun(deps, world.run(), as, BY_HAND, aLog());

  it.each([
    ["completed", { state: "completed" }, { status: "succeeded" }],
    ["dead-lettered", { state: "dead-lettered", letter: { reason: "Cancelled" } }, { status: "cancelled" }],
  ] as const)("settles the message as the person says, and retires the Job: %s", async (as, message, row) => {
    const world = await withDeadNode();
    const name = world.jobName();
    expect(await force(world, as)).toMatchObject({ kind: "done" });
    await world.tick();
    expect(world.message(1)).toMatchObject(message);
    expect(world.closed()).toMatchObject([row]);
    expect(world.cluster.job(name).metadata?.labels?.["ion/retired"]).toBe("true");
  });

  it("says in the dead letter that the Job could not end", async () => {
    const world = await withDeadNode();
    await force(world, "dead-lettered");
    await world.tick();
    expect(world.message(1).letter?.description).toMatch(/^Job \S+, attempt 1 of 3: its Job could not end/);
  });

  it("starts another attempt, as an interruption, if the person says so", async () => {
    const world = await withDeadNode();
    expect(await force(world, "retried")).toMatchObject({ kind: "done" });
    for (let tick = 0; tick < 4; tick += 1) {
      world.clock.advance(10_000);
      await world.tick();
    }
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2, interruptions: 1, failures: 0 });
    expect(world.cluster.names()).toHaveLength(2);
  });

  it("ends the run if that was its last attempt", async () => {
    const world = makeWorld([aModule({ retry: { ...RETRY, maxInterruptions: 0 } })]);
    await withRun(world);
    world.cluster.linger(world.jobName());
    expect(await force(world, "retried")).toMatchObject({ kind: "done", did: "recorded a verdict", last: true });
    await world.tick();
    expect(world.message(1).letter?.reason).toBe("InterruptedTooOften");
  });

  it("is harmless if it is repeated, and changes no recorded verdict", async () => {
    const world = await withDeadNode();
    await force(world, "completed");
    expect(await force(world, "completed")).toMatchObject({ kind: "already" });
    expect(await force(world, "dead-lettered")).toMatchObject({ kind: "refused" });
    expect(await force(world, "retried")).toMatchObject({ kind: "refused" });
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("refuses a Job that has ended and a run without a Job, because the tick goes on with both", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    expect(await force(world, "dead-lettered")).toMatchObject({ kind: "refused", because: "job ended" });
    const waiting = makeWorld();
    waiting.cluster.quotaNext();
    await waiting.send();
    expect(await force(waiting, "retried")).toMatchObject({ kind: "refused", because: "no job" });
  });

  it("is refused if a replica moved the run on meanwhile", async () => {
    const world = await withDeadNode();
    world.table.beforeNext("update", async () => {
      world.cluster.deleteJob(world.jobName());
      await world.makeReplica().tick();
    });
    expect(await force(world, "completed")).toMatchObject({ kind: "refused", because: "moved on" });
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2 });
  });

  it.each(["completed", "dead-lettered"] as const)(
    "changes only the row, so that it works while the bus is away: %s",
    async (as) => {
      const world = await withDeadNode();
      const away = () => Promise.reject(new Error("the bus was asked"));
      const broker: MessageBroker = { ...world.broker, completeDeferred: away, deadLetterDeferred: away, peek: away };
      expect(await force(world, as, { ...world.deps, broker })).toMatchObject({ kind: "done" });
    },
  );
});

describe("cancelling a run", () => {
  const cancel = (world: World) => cancelRun(world.deps, world.run(), BY_HAND, aLog());

  it("dead-letters the message of a run that waits, although it never had a Job", async () => {
    const world = makeWorld();
    world.cluster.quotaNext();
    await world.send();
    expect(await cancel(world)).toMatchObject({ kind: "done" });
    await world.tick();
    expect(world.message(1).letter).toMatchObject({
      reason: "Cancelled",
      description: "no attempt was made: cancelled by hand: it has to be",
    });
    expect(world.message(1).letter?.properties?.["dispatcher-attempt"]).toBe("");
    expect(world.closed().map(attemptsHad)).toEqual([0]);
    expect(world.lines).toContainEqual(expect.objectContaining({ message: "closed a run", attempts: 0 }));
    expect(world.cluster.names()).toEqual([]);
  });

  it("says on the dead letter no more than that, if the person did not say why", async () => {
    const world = makeWorld();
    world.cluster.quotaNext();
    await world.send();
    await cancelRun(world.deps, world.run(), { by: { who: "ann@desk" } }, aLog());
    await world.tick();
    expect(world.message(1).letter?.description).toBe("no attempt was made: cancelled by hand");
    expect(world.closed()[0]?.verdict?.description).toBe("no attempt was made: cancelled by hand");
  });

  it("dead-letters the message of a run in back-off", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    expect(await cancel(world)).toMatchObject({ kind: "done" });
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "cancelled", attempt: 1, failures: 1 }]);
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("ends the Job of a dispatched run", async () => {
    const world = await withRun();
    expect(await cancel(world)).toMatchObject({ kind: "done" });
    await toTheEnd(world);
    expect(world.message(1).letter?.reason).toBe("Cancelled");
  });

  it("keeps what the worker wrote, though its pod goes with the end of its Job", async () => {
    const world = await withRun();
    world.cluster.run(world.jobName());
    world.cluster.setLog(world.jobName(), "worker", "half done");
    await cancel(world);
    await toTheEnd(world);
    const [closed] = world.closed();
    expect(Buffer.from(world.payloads.logs.get(closed?.logsUrl ?? "") ?? []).toString()).toBe("half done");
  });

  it("waits for the next delivery if the message is accepted and not deferred", async () => {
    const world = makeWorld();
    world.broker.failNext("defer");
    await world.send();
    expect(await cancel(world)).toMatchObject({ kind: "done" });
    await world.tick();
    expect(world.message(1).state).toBe("active");
    await world.accept(world.redeliver());
    expect(world.message(1).letter?.reason).toBe("Cancelled");
    expect(world.cluster.creates).toHaveLength(0);
  });

  it("ends a Job that a replica is just starting", async () => {
    const world = makeWorld();
    world.cluster.failNext("create");
    await world.send();
    world.clock.advance(20_000);
    const create = world.cluster.create.bind(world.cluster);
    world.cluster.create = async (job) => {
      expect(await cancel(world)).toMatchObject({ kind: "done" });
      return create(job);
    };
    await world.tick();
    world.cluster.create = create;
    await toTheEnd(world);
    await world.tick();
    await world.tick();
    const [name = ""] = world.cluster.names();
    expect(world.message(1).letter?.reason).toBe("Cancelled");
    expect(world.cluster.job(name).spec?.activeDeadlineSeconds).toBe(1);
  });

  it("is harmless if it is repeated, also when the run is closed as cancelled", async () => {
    const world = await withRun();
    await cancel(world);
    await toTheEnd(world);
    const [run] = world.closed();
    if (!run) throw new Error("the run is still open");
    expect(await cancelRun(world.deps, run, BY_HAND, aLog())).toEqual({ kind: "already", was: "cancelled" });
  });

  it("is harmless if it is repeated, and is refused once a verdict is recorded", async () => {
    const world = await withRun();
    await cancel(world);
    expect(await cancel(world)).toMatchObject({ kind: "already" });
    const other = await withRun();
    other.cluster.succeed(other.jobName());
    other.broker.failNext("completeDeferred");
    await other.tick();
    expect(await cancel(other)).toMatchObject({ kind: "refused", because: "verdict recorded", outcome: "succeeded" });
    await toTheEnd(other);
    const [run] = other.closed();
    expect(run && (await cancelRun(other.deps, run, BY_HAND, aLog()))).toMatchObject({
      kind: "refused",
      because: "run closed",
    });
  });
});

describe("accepting the cluster", () => {
  /** A world in which the operator deleted a dozen running Jobs. */
  async function emptied() {
    const world = makeWorld();
    for (let sent = 0; sent < 12; sent += 1) await world.send();
    for (const name of world.cluster.names()) world.cluster.deleteJob(name);
    await world.tick();
    expect(world.lastTick()).toMatchObject({ waiting: { "wrong-cluster": 12 } });
    return world;
  }

  const progress = (world: World) =>
    new Set(world.open().map(({ status, attempt, interruptions }) => `${status} ${attempt} ${interruptions}`));

  async function ticksOf(world: World, replica: Pick<World, "tick">) {
    for (let tick = 0; tick < 3; tick += 1) {
      world.clock.advance(10_000);
      await replica.tick();
    }
  }

  it("lets the runs of Jobs that are gone go on with the next attempt, as an interruption", async () => {
    const world = await emptied();
    expect(await audit(world.deps)).toEqual([{ kind: "mass absence", absent: 12 }]);
    expect(await acceptCluster(world.deps, BY_HAND, aLog())).toMatchObject({ kind: "done", jobs: 12 });
    await ticksOf(world, world);
    expect(progress(world)).toEqual(new Set(["dispatched 2 1"]));
    expect(await audit(world.deps)).toEqual([]);
    expect(await acceptCluster(world.deps, BY_HAND, aLog())).toMatchObject({ kind: "already" });
  });

  it("takes another cluster, although Jobs were at work in the old one", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 3; sent += 1) await world.send();
    const cluster = new FakeCluster({ clock: world.clock });
    const moved = world.makeReplica({ cluster, namespace: "new" });
    await moved.tick();
    const record = { uid: world.cluster.uid, namespace: "jobs" };
    expect(await audit(moved.deps)).toEqual([{ kind: "another cluster", record, uid: cluster.uid, atWork: 3 }]);
    expect(await acceptCluster(moved.deps, BY_HAND, aLog())).toMatchObject({ kind: "done", jobs: 3 });
    await ticksOf(world, moved);
    expect(progress(world)).toEqual(new Set(["dispatched 2 1"]));
    expect(cluster.names()).toHaveLength(3);
    expect(await audit(moved.deps)).toEqual([]);
  });

  it("is told of another cluster if the only Job at work was never recorded, because it keeps that one from being taken", async () => {
    const world = makeWorld();
    world.cluster.loseNextReply("create");
    await world.send();
    const cluster = new FakeCluster({ clock: world.clock });
    const moved = world.makeReplica({ cluster, namespace: "new" });
    await moved.tick();
    expect(await audit(moved.deps)).toMatchObject([{ kind: "another cluster", atWork: 1 }]);
  });

  it("records the cluster last, so that no replica judges the absences meanwhile", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 3; sent += 1) await world.send();
    const cluster = new FakeCluster({ clock: world.clock });
    const moved = world.makeReplica({ cluster });
    world.table.failNext("saveCluster");
    await expect(acceptCluster(moved.deps, BY_HAND, aLog())).rejects.toThrow("saveCluster failed");
    expect(progress(world)).toEqual(new Set(["requeueing 2 1"]));
    await ticksOf(world, moved);
    expect(cluster.names()).toEqual([]);
    expect(await acceptCluster(moved.deps, BY_HAND, aLog())).toMatchObject({ kind: "done", jobs: 0 });
    await ticksOf(world, moved);
    expect(cluster.names()).toHaveLength(3);
  });

  it("does not believe the list if a look at the Job itself finds the Job", async () => {
    const world = makeWorld();
    for (let sent = 0; sent < 12; sent += 1) await world.send();
    world.cluster.listJobs = () => Promise.resolve({ jobs: [], version: "0" });
    expect(await acceptCluster(world.deps, BY_HAND, aLog())).toMatchObject({ kind: "already" });
    expect(world.open().every(({ status, attempt }) => status === "dispatched" && attempt === 1)).toBe(true);
  });

  it("logs each run that it changes, and the cluster", async () => {
    const world = await emptied();
    const lines: string[] = [];
    await acceptCluster(world.deps, BY_HAND, aLog(lines));
    expect(lines.filter((line) => line.includes("took an absent job for deleted by hand"))).toHaveLength(12);
    expect(lines.filter((line) => line.includes("accepted the cluster by hand"))).toHaveLength(1);
  });
});

describe("accepting the loss of a source's messages", () => {
  /** A world in which a dozen runs wait, and the messages of most of them can't be found. */
  async function missing() {
    const world = makeWorld();
    for (let sent = 0; sent < 12; sent += 1) await world.send();
    for (const name of world.cluster.names()) world.cluster.fail(name);
    await world.tick();
    world.clock.advance(5_000);
    for (let number = 1; number <= 10; number += 1) world.hide(number);
    await world.tick();
    return world;
  }

  it("closes the runs whose messages are missing, and lets the others go on", async () => {
    const world = await missing();
    expect(await audit(world.deps)).toMatchObject([
      { kind: "source held", source: "thumbnails", because: "messages missing" },
    ]);
    expect(await acceptLoss(world.deps, SOURCE, BY_HAND, aLog())).toEqual({ kind: "done", did: "accepted the loss" });
    expect(await acceptLoss(world.deps, SOURCE, BY_HAND, aLog())).toEqual({ kind: "already", was: "loss accepted" });
    expect(await audit(world.deps)).toEqual([]);
    await ticks(world, () => world.closed().length === 10, LOCK_MS);
    expect(world.closed().every(({ status }) => status === "lost")).toBe(true);
    for (const name of world.cluster.names()) world.cluster.succeed(name);
    await ticks(world, () => world.open().length === 0);
    expect(world.closed().filter(({ status }) => status === "succeeded")).toHaveLength(2);
    expect(await acceptLoss(world.deps, SOURCE, BY_HAND, aLog())).toMatchObject({
      kind: "refused",
      because: "not held",
    });
  });

  it("closes the runs of an entity that is missing, without waiting for 24 hours", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    world.broker.remove(SOURCE);
    expect(await audit(world.deps)).toEqual([]);
    await world.tick();
    expect(await audit(world.deps)).toMatchObject([{ kind: "source held", because: "entity missing" }]);
    expect(await acceptLoss(world.deps, SOURCE, BY_HAND, aLog())).toMatchObject({ kind: "done" });
    await ticks(world, () => world.open().length === 0);
    expect(world.closed()).toMatchObject([{ status: "lost" }]);
  });

  it("is refused if a tick changes the hold meanwhile", async () => {
    const world = await missing();
    world.table.beforeNext("holdSource", async () => {
      const [held] = await world.table.heldSources();
      await world.table.releaseSource(SOURCE, held?.etag ?? "");
    });
    expect(await acceptLoss(world.deps, SOURCE, BY_HAND, aLog())).toMatchObject({
      kind: "refused",
      because: "moved on",
    });
  });

  it("loses no message that turns up later", async () => {
    const world = await missing();
    await acceptLoss(world.deps, SOURCE, BY_HAND, aLog());
    await ticks(world, () => world.closed().length === 10, LOCK_MS);
    for (let number = 1; number <= 10; number += 1) world.show(number);
    await ticks(world, () => world.open().length === 12 && world.open().every(({ status }) => status === "dispatched"));
    for (const name of world.cluster.names()) world.cluster.succeed(name);
    await ticks(world, () => world.open().length === 0);
    expect(Array.from({ length: 12 }, (_, index) => world.message(index + 1).state)).toEqual(
      Array.from({ length: 12 }, () => "completed"),
    );
  });
});

describe("a run's name", () => {
  it("is its id, whatever the case of its source", async () => {
    const world = await withRun();
    expect(await runsNamed(world.deps, runId(world.run()).toUpperCase())).toMatchObject([{ sequenceNumber: 1 }]);
    expect(await runsNamed(world.deps, "thumbnails:1")).toEqual([]);
    expect(await runsNamed(world.deps, "elsewhere:1:2")).toEqual([]);
  });

  it("may mean both a queue's and a subscription's run", async () => {
    const topic = aModule({ name: "t", source: { topic: "a", subscription: "b" } });
    const queue = aModule({ name: "q", source: { queue: "a/b" } });
    const world = makeWorld([topic, queue]);
    expect(await runsNamed(world.deps, "a/b:1:2")).toHaveLength(2);
    expect(await sourcesNamed(world.deps, "A/B")).toHaveLength(2);
  });
});
