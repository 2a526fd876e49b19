import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { aRun } from "../../support/a-run.ts";
import { FakeCluster } from "../../support/fake-cluster.ts";
import { makeFakeRunTable } from "../../support/fake-run-table.ts";
import { LOCK_MS, makeWorld, RETRY, SOURCE } from "../../support/world.ts";

type World = ReturnType<typeof makeWorld>;

/** A world with one message whose first Job runs. */
async function withRun(world: World = makeWorld()): Promise<World> {
  await world.send();
  world.cluster.run(world.jobName());
  return world;
}

/** Ticks until `until` holds, letting the clock go on in between. */
async function ticks(world: World, until: () => boolean, stepMs = 5_000, most = 40): Promise<void> {
  for (let tick = 0; tick < most && !until(); tick += 1) {
    world.clock.advance(stepMs);
    await world.tick();
  }
}

describe("the outcome of a Job settles its message", () => {
  it("completes on success, in one tick", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.message(1).state).toBe("completed");
    expect(world.closed()).toMatchObject([{ status: "succeeded", attempt: 1 }]);
  });

  it("requeues a failure with a stamp, and starts attempt 2 after the back-off", async () => {
    const world = await withRun();
    const first = world.jobName();
    world.cluster.fail(first, 3, { message: "no space left" });
    await world.tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2, failures: 1 });
    expect(world.message(1)).toMatchObject({
      state: "deferred",
      properties: { "dispatcher-attempt": 2, "dispatcher-job": first },
    });
    await ticks(world, () => world.run().status === "dispatched");
    expect(world.jobName()).not.toBe(first);
    expect(world.cluster.names()).toContain(first);
  });

  it("waits out the back-off", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    await world.tick();
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("dead-letters when the attempts are used up, with the facts", async () => {
    const world = await withRun();
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await ticks(world, () => world.open()[0]?.status === "dispatched" && world.open()[0]?.attempt === attempt);
      world.cluster.fail(world.jobName(), 3, { message: "no space left" });
    }
    await world.tick();
    const { letter } = world.message(1);
    expect(letter).toMatchObject({
      reason: "JobFailed",
      properties: { "dispatcher-exit-code": 3, "dispatcher-attempt": 3, "dispatcher-module": "thumbnail" },
    });
    expect(letter?.description).toMatch(/^Job \S+, attempt 3 of 3: .*no space left/);
    expect(world.closed()).toMatchObject([{ status: "failed", failures: 3 }]);
  });

  it("gives up at once on a permanent exit code", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName(), 64);
    await world.tick();
    expect(world.message(1)).toMatchObject({ state: "dead-lettered", letter: { reason: "JobFailed" } });
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("calls a Job that ran too long timed out", async () => {
    const world = await withRun(makeWorld([aModule({ retry: { ...RETRY, maxAttempts: 1 } })]));
    world.cluster.timeOut(world.jobName());
    await world.tick();
    expect(world.message(1).letter?.reason).toBe("JobTimedOut");
  });

  it("burns no failure on an eviction, a deleted pod, or a deleted Job", async () => {
    const world = await withRun(makeWorld([aModule({ retry: { ...RETRY, maxInterruptions: 5 } })]));
    for (const interrupt of ["evict", "deletePod", "deleteJob"] as const) {
      await ticks(world, () => world.run().status === "dispatched");
      world.cluster[interrupt](world.jobName());
      await world.tick();
    }
    expect(world.run()).toMatchObject({ failures: 0, interruptions: 3, attempt: 4 });
  });

  it("gives up when the cluster interrupts too often", async () => {
    const world = await withRun();
    for (let count = 0; count < 3; count += 1) {
      await ticks(world, () => world.open()[0]?.status === "dispatched");
      world.cluster.evict(world.jobName());
      await world.tick();
    }
    expect(world.message(1).letter?.reason).toBe("InterruptedTooOften");
  });

  it("ends a Job that can't pull its image, after the grace, by its deadline and not by delete", async () => {
    const world = makeWorld([aModule({ retry: { ...RETRY, maxAttempts: 1 } })]);
    await world.send();
    const name = world.jobName();
    world.cluster.stick(name, "ErrImagePull", "no such image");
    await world.tick();
    expect(world.run().status).toBe("dispatched");
    world.clock.advance(31_000);
    await world.tick();
    expect(world.run().ending).toMatchObject({ reason: "JobNotStarted" });
    expect(world.cluster.names()).toContain(name);
    await ticks(world, () => world.open().length === 0);
    const { letter } = world.message(1);
    expect(letter?.reason).toBe("JobNotStarted");
    expect(letter?.description).toContain("no such image");
  });

  it("asks nothing about a Job that has no pod yet until its start is overdue: the cluster may be behind by thousands", async () => {
    const world = makeWorld([aModule({ startTimeoutMs: 600_000, retry: { ...RETRY, maxAttempts: 1 } })]);
    await world.send();
    world.cluster.withholdPod(world.jobName(), "pods are forbidden: no such ServiceAccount");
    const asked = () => (["get", "pods", "events"] as const).map((method) => world.cluster.calls.get(method) ?? 0);
    const before = asked();
    world.clock.advance(599_000);
    await world.tick();
    expect(asked()).toEqual(before);
    world.clock.advance(2_000);
    await ticks(world, () => world.open().length === 0);
    expect(world.message(1).letter?.description).toContain("no such ServiceAccount");
  });

  it("asks for the events of a Job only where it has no pod to speak for it", async () => {
    const world = await withRun();
    world.cluster.stick(world.jobName(), "ErrImagePull", "no such image");
    world.clock.advance(31_000);
    await world.tick();
    expect(world.run().ending).toMatchObject({ reason: "JobNotStarted" });
    expect(world.cluster.calls.get("events")).toBeUndefined();
  });

  it("cancels by the Job's label", async () => {
    const world = await withRun();
    world.cluster.cancel(world.jobName());
    await ticks(world, () => world.open().length === 0);
    expect(world.message(1).letter?.reason).toBe("Cancelled");
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("waits for a suspended Job", async () => {
    const world = await withRun();
    world.cluster.suspend(world.jobName());
    world.clock.advance(24 * 3_600_000);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  });

  it("dead-letters a Job that the API server refuses, in its own words, and others go on", async () => {
    const world = makeWorld();
    world.cluster.refuseNext("spec.template: Invalid value");
    await world.send();
    await world.send({ messageId: "m-2" });
    await world.tick();
    expect(world.message(1).letter).toMatchObject({ reason: "JobNotStarted" });
    expect(world.message(1).letter?.description).toContain("spec.template: Invalid value");
    expect(world.run()).toMatchObject({ messageId: "m-2", status: "dispatched" });
  });

  it("waits for quota, and burns no attempt", async () => {
    const world = makeWorld();
    world.cluster.quotaNext();
    expect((await world.send()).outcome).toBe("waiting");
    world.cluster.quotaNext();
    await world.tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 1, failures: 0, interruptions: 0 });
    await ticks(world, () => world.run().status === "dispatched");
    expect(world.run().attempt).toBe(1);
  });
});

describe("a finished attempt", () => {
  it("is retired by one patch, with a TTL from its finish on, and its Job stays as the tombstone of its name", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    world.clock.advance(60_000);
    await world.tick();
    expect(world.cluster.job(name).metadata?.labels?.["ion/settled"]).toBe("true");
    expect(world.cluster.job(name).spec?.ttlSecondsAfterFinished).toBe(3_660);
    expect(world.cluster.calls.get("retire")).toBe(1);
  });

  it("leaves its log behind, and the dead letter links to it", async () => {
    const world = await withRun();
    world.cluster.setLog(world.jobName(), "worker", "line 1\nline 2\n");
    world.cluster.fail(world.jobName(), 64);
    await world.tick();
    const url = world.message(1).letter?.properties["dispatcher-logs"];
    expect(Buffer.from(world.payloads.logs.get(String(url)) ?? []).toString()).toBe("line 1\nline 2\n");
  });

  it("keeps the link to its log though the process dies just after it retired the Job", async () => {
    const world = await withRun();
    world.cluster.setLog(world.jobName(), "worker", "line\n");
    world.cluster.fail(world.jobName(), 64);
    world.cluster.loseNextReply("retire");
    await world.tick();
    expect(world.run().status).toBe("settling");
    await world.tick();
    expect(world.message(1).letter?.properties["dispatcher-logs"]).toMatch(/worker\.log$/);
  });

  it("is settled although its log can't be stored", async () => {
    const world = await withRun();
    world.cluster.setLog(world.jobName(), "worker", "line\n");
    world.payloads.failNext("putLog");
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.closed()).toHaveLength(1);
    expect(world.lines.map(({ message }) => message)).toContain("a log could not be stored");
  });

  it("deletes the body's blob when the run closes", async () => {
    const world = makeWorld();
    await world.send({ body: Buffer.alloc(20_000, "x") });
    expect(world.payloads.bodies.size).toBe(1);
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(world.payloads.bodies.size).toBe(0);
  });
});

describe("the slow belief in absence", () => {
  it("does not call a Job deleted because one list lacks it", async () => {
    const world = await withRun();
    world.cluster.listJobs = () => Promise.resolve([]);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", interruptions: 0 });
  });

  it("does not call a Job deleted when the row moved on while it was looked for", async () => {
    const world = await withRun();
    const name = world.jobName();
    const other = world.makeProcess();
    world.cluster.listJobs = () => Promise.resolve([]);
    const get = world.cluster.get.bind(world.cluster);
    world.cluster.get = async (asked) => {
      // Somebody else sees the Job's end, and a TTL takes it away.
      world.cluster.get = get;
      Reflect.deleteProperty(world.cluster, "listJobs");
      world.cluster.fail(name);
      await other.tick();
      world.cluster.deleteJob(name);
      return get(asked);
    };
    await world.tick();
    expect(world.run()).toMatchObject({ attempt: 2, failures: 1, interruptions: 0 });
    expect(world.lines.map(({ why }) => why)).not.toContain("the Job was deleted");
  });

  it("calls a message gone only after two peeks a lock duration apart, and a MessageNotFound", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    world.hide(1);
    world.clock.advance(5_000);
    await world.tick();
    expect(world.run().absentSince).toBe(world.clock.now());
    await world.tick();
    world.clock.advance(LOCK_MS - 1);
    await world.tick();
    expect(world.open()).toHaveLength(1);
    world.clock.advance(1);
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "lost" }]);
  });

  it("forgets its doubt when the message is seen again", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    world.hide(1);
    world.clock.advance(5_000);
    await world.tick();
    world.show(1);
    await ticks(world, () => world.run().status === "dispatched", LOCK_MS);
    expect(world.run()).not.toHaveProperty("absentSince");
  });

  it("closes by its verdict when the settlement's reply was lost, a lock duration later", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.broker.loseNextReply("completeDeferred");
    await world.tick();
    expect(world.run().status).toBe("settling");
    await world.tick();
    expect(world.run().absentSince).toBeDefined();
    await ticks(world, () => world.open().length === 0, LOCK_MS);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("yields to whoever holds the message, twice as long each time", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.broker.holdDeferred(SOURCE, 1);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "settling", busyCount: 1, notBefore: world.clock.now() + 10_000 });
    world.clock.advance(10_000);
    await world.tick();
    expect(world.run()).toMatchObject({ busyCount: 2, notBefore: world.clock.now() + 20_000 });
    world.broker.lapseLocks(SOURCE);
    await ticks(world, () => world.open().length === 0);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("judges none when many Jobs vanish at once, and starts nothing: it is the wrong cluster", async () => {
    const world = makeWorld();
    for (let count = 0; count < 12; count += 1) await world.send();
    for (const name of world.cluster.names()) world.cluster.deleteJob(name);
    await world.tick();
    expect(world.open().every(({ status, interruptions }) => status === "dispatched" && interruptions === 0)).toBe(
      true,
    );
    expect(world.lines.map(({ message }) => message)).toContain(
      "too many jobs are missing at once to believe it: is this the right cluster and namespace?",
    );
    expect(world.lastTick()).toMatchObject({ waiting: { "wrong-cluster": 12 } });
  });

  it("starts no message either that arrives while it sees the wrong cluster, and starts it in the right one", async () => {
    const world = makeWorld();
    for (let count = 0; count < 12; count += 1) await world.send();
    const empty = new FakeCluster({ clock: world.clock });
    const astray = world.makeProcess({ cluster: empty });
    await astray.tick();
    await astray.accept(world.broker.deliver(SOURCE, { messageId: "m-13", body: Buffer.from("{}") }));
    await astray.tick();
    expect(empty.names()).toEqual([]);
    expect(world.lastTick()).toMatchObject({ waiting: { "wrong-cluster": 13 } });
    await world.tick();
    expect(world.cluster.names()).toHaveLength(13);
  });
});

describe("processes that sleep, die, or run twice", () => {
  it("settles once when two reconcilers tick at the same time", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    await Promise.all([world.tick(), world.makeProcess().tick()]);
    await ticks(world, () => world.open().length === 0, LOCK_MS);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.message(1).state).toBe("completed");
  });

  it("starts one Job for an attempt when two reconcilers start it at the same time", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    world.clock.advance(10_000);
    await Promise.all([world.tick(), world.makeProcess().tick()]);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2 });
    expect(world.cluster.names()).toHaveLength(2);
  });

  it("finds the name taken when it wakes after the attempt is over: the Job is its tombstone", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    await world.tick();
    expect(world.closed()).toHaveLength(1);
    // What a process would send that slept since before the first create.
    const create = world.cluster.creates[0];
    expect(create && (await world.cluster.create(create))).toMatchObject({ kind: "exists" });
  });

  it("ends the Job that it made for an attempt that is over, when the row says so", async () => {
    const world = makeWorld();
    world.cluster.failNext("create");
    await world.send();
    world.clock.advance(20_000);
    // While the create is under way, somebody else closes the run.
    world.table.beforeNext("update", () => undefined);
    const create = world.cluster.create.bind(world.cluster);
    world.cluster.create = async (job) => {
      const answer = await create(job);
      const found = await world.table.find(world.run());
      if (found.kind === "open")
        await world.table.close(found.stored, { ...found.stored.run, status: "lost", closedAt: world.clock.now() });
      return answer;
    };
    await world.tick();
    const [name = ""] = world.cluster.names();
    expect(world.cluster.job(name).spec?.activeDeadlineSeconds).toBe(1);
  });

  it("retires a Job whose run is closed, in the second tick that sees it", async () => {
    const world = await withRun();
    const name = world.jobName();
    const found = await world.table.find(world.run());
    if (found.kind === "open")
      await world.table.close(found.stored, { ...found.stored.run, status: "cancelled", closedAt: world.clock.now() });
    await world.tick();
    expect(world.cluster.job(name).metadata?.labels?.["ion/settled"]).toBeUndefined();
    await world.tick();
    expect(world.cluster.job(name).metadata?.labels?.["ion/settled"]).toBe("true");
    expect(world.cluster.job(name).spec?.activeDeadlineSeconds).toBe(1);
  });

  it("reports a Job that no run speaks of, and leaves it alone", async () => {
    const world = await withRun();
    // The table was restored empty: a new one, with a new owner.
    const table = makeFakeRunTable({ clock: world.clock, owner: "owner-2" });
    const other = world.makeProcess({ table });
    await other.tick();
    await other.tick();
    expect(world.lastTick()).toMatchObject({ orphans: 2 });
    expect(world.cluster.calls.get("retire")).toBeUndefined();
  });

  it("takes another name, as an interruption, when somebody else's Job has this one", async () => {
    const world = makeWorld();
    world.cluster.failNext("create");
    await world.send();
    world.cluster.addForeign(world.cluster.creates[0]?.metadata?.name ?? "");
    world.clock.advance(20_000);
    await ticks(world, () => world.run().status === "dispatched");
    expect(world.run()).toMatchObject({ attempt: 2, interruptions: 1, failures: 0 });
  });

  it("goes on with the others when one run's step fails", async () => {
    const world = await withRun();
    await world.send({ messageId: "m-2" });
    for (const run of world.open()) world.cluster.succeed(run.jobName ?? "");
    world.broker.failNext("completeDeferred", new Error("a bug"));
    await world.tick();
    expect(world.closed()).toHaveLength(1);
    expect(world.lastTick()).toMatchObject({ failed: 1, completed: 1 });
  });

  it("holds still when the cluster can't be listed, and says why", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.cluster.failNext("listJobs");
    await world.tick();
    expect(world.run().status).toBe("dispatched");
    expect(world.lastTick()).toMatchObject({ message: "reconcile is held up" });
  });
});

describe("modules that were removed", () => {
  it("follows their runs to the end, and starts nothing new", async () => {
    const world = await withRun();
    const without = world.makeProcess({ modules: new Map() });
    world.cluster.fail(world.jobName());
    await without.tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2 });
    world.clock.advance(3_600_000);
    await without.tick();
    expect(world.cluster.creates).toHaveLength(1);
    expect(world.lastTick()).toMatchObject({ waiting: { "module-removed": 1 } });
  });

  it("settles their runs", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    await world.makeProcess({ modules: new Map() }).tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });
});

describe("maxActive", () => {
  it("starts the oldest first as room comes free", async () => {
    const world = makeWorld([aModule({ maxActive: 1, retry: RETRY })]);
    for (const messageId of ["a", "b", "c"]) await world.send({ messageId });
    const order: string[] = [];
    await ticks(world, () => {
      const running = world.open().find(({ status }) => status === "dispatched");
      if (running) {
        order.push(running.messageId);
        world.cluster.succeed(running.jobName ?? "");
      }
      return world.open().length === 0;
    });
    expect(order).toEqual(["a", "b", "c"]);
  });
});

describe("the sweep", () => {
  it("rebuilds a lost row from its own stamp, with the attempt that the stamp and the Jobs tell", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    world.table.forget(world.run());
    await world.tick();
    expect(world.lines.map(({ message }) => message)).toContain("rebuilt a lost row from its message");
    await ticks(world, () => world.open()[0]?.status === "dispatched");
    expect(world.run().attempt).toBe(2);
  });

  it("reports deferred messages with another owner's stamp and leaves them alone", async () => {
    const world = makeWorld();
    const { lockToken } = world.broker.deliver(SOURCE, { messageId: "theirs", body: Buffer.from("x") });
    await world.broker.defer(SOURCE, lockToken, { "dispatcher-owner": "someone-else" });
    await world.tick();
    expect(world.open()).toHaveLength(0);
    expect(world.lastTick()).toMatchObject({ orphans: 1 });
    expect(world.message(1).state).toBe("deferred");
  });

  it.each([-1, 0, 2_001, 99_999, 1.5, Number.NaN, "many", null])(
    "does not believe a forged attempt number: %s",
    async (forged) => {
      const world = await withRun(makeWorld());
      world.table.forget(world.run());
      await world.broker.requeueDeferred(
        { source: SOURCE, sequenceNumber: 1, enqueuedAt: aRun().enqueuedAt },
        { "dispatcher-attempt": forged },
      );
      await world.tick();
      expect(world.run().attempt).toBe(1);
    },
  );

  it("believes more attempts than the budgets allow: a paused module's cost nothing. One try is left", async () => {
    const world = await withRun();
    const run = world.run();
    world.table.forget(run);
    await world.broker.requeueDeferred(run, { "dispatcher-attempt": 30 });
    await world.tick();
    expect(world.run()).toMatchObject({ attempt: 30, failures: RETRY.maxAttempts - 1, interruptions: 0 });
  });

  it("does not touch a message whose run was closed while it looked", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    // The page still shows the message; by the time that its row is asked for, it is settled and closed.
    const page = await world.broker.browse(SOURCE, 0, 50);
    await world.makeProcess({ broker: { ...world.broker, browse: () => Promise.resolve(page) } }).tick();
    expect(world.closed()).toHaveLength(1);
    expect(world.lastTick()).toMatchObject({ orphans: 0 });
  });

  it("settles a deferred message whose run is closed", async () => {
    const world = await withRun();
    const found = await world.table.find(world.run());
    if (found.kind === "open")
      await world.table.close(found.stored, {
        ...found.stored.run,
        status: "succeeded",
        verdict: { outcome: "succeeded" },
        closedAt: world.clock.now(),
      });
    await world.tick();
    expect(world.message(1).state).toBe("completed");
  });
});
