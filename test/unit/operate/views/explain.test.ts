import { EventEmitter, once } from "node:events";
import { describe, expect, it } from "vitest";
import { sentencesOf } from "../../../../cli/runs/explain.ts";
import { UnavailableError } from "../../../../shared/errors.ts";
import { retryOf } from "../../../../shared/jobs/run-limits.ts";
import { makeLog } from "../../../../shared/log.ts";
import { actionOf } from "../../../../shared/operate/by.ts";
import { cancelRun } from "../../../../shared/operate/cancel-run.ts";
import { explain, type OpenRunExplained } from "../../../../shared/operate/views/explain.ts";
import { type Decision, decide, type JobSeen, ruleOf } from "../../../../shared/run/decide.ts";
import { OPEN_STATUSES, type OpenStatus, type Run, type RunKey } from "../../../../shared/run/run.ts";
import { aModule } from "../../../support/a-module.ts";
import { T0 } from "../../../support/a-run.ts";
import { LOCK_MS, makeWorld, RETRY, SOURCE, ticks, type World, withRun } from "../../../support/world.ts";

const QUIET = makeLog({ info: () => {}, warn: () => {}, error: () => {} });

async function explained(world: World, key: RunKey = world.run(), deps = world.deps): Promise<OpenRunExplained> {
  const explanation = await explain(deps, key);
  if (explanation === undefined || explanation === "newer" || explanation.kind === "closed")
    throw new Error("the run is not open");
  return explanation;
}

/** Makes the next row of the only open run by hand. */
async function rewrite(world: World, change: (run: Run) => Partial<Run>): Promise<void> {
  const found = await world.table.find(world.run());
  if (found.kind !== "open") throw new Error("the run is not open");
  await world.table.update(found.stored, { ...found.stored.run, ...change(found.stored.run) });
}

const AT_STATUS: Record<OpenStatus, (run: Run) => Partial<Run>> = {
  accepted: () => ({ status: "accepted" }),
  held: () => ({ status: "held" }),
  waiting: () => ({ status: "waiting" }),
  dispatched: () => ({}),
  requeueing: ({ attempt }) => ({ status: "requeueing", attempt: attempt + 1 }),
  settling: () => ({ status: "settling", verdict: { outcome: "succeeded" } }),
};

/** What happens to the Job of a run that was just dispatched, so that it is seen in this phase. */
const IN_PHASE: Record<JobSeen["phase"], (world: World, name: string) => void> = {
  absent: (world, name) => world.cluster.deleteJob(name),
  pending: () => {},
  running: (world, name) => world.cluster.run(name),
  suspended: (world, name) => world.cluster.suspend(name),
  terminating: (world, name) => world.cluster.linger(name),
  succeeded: (world, name) => world.cluster.succeed(name),
  failed: (world, name) => world.cluster.fail(name),
  foreign: (world, name) => {
    world.cluster.deleteJob(name);
    world.cluster.addForeign(name);
  },
};

const CELLS = OPEN_STATUSES.flatMap((status) =>
  Object.entries(IN_PHASE).map(([phase, bringAbout]) => {
    // In the others no rule asks for the Job, and its phase is as the list shows it. Only a create meets a foreign Job.
    const isSeen = ["accepted", "waiting", "dispatched"].includes(status) && phase !== "foreign";
    return { status, phase, bringAbout, sees: isSeen ? phase : expect.any(String) };
  }),
);

describe("an explanation", () => {
  it.each(CELLS)(
    "of a run that is $status, whose Job is $phase, is what decide says",
    async ({ status, bringAbout, sees }) => {
      const world = makeWorld();
      await world.send();
      bringAbout(world, world.jobName());
      await rewrite(world, AT_STATUS[status]);
      const { run, facts, rule, decision } = await explained(world);
      const { job, cancelled, message, slot } = facts;
      expect(job.phase).toEqual(sees);
      expect(rule).toBe(ruleOf(status, job.phase));
      const seen = { run, job, cancelled, ...(message && { message }), ...(slot && { slot }) };
      const now = world.clock.now();
      expect(decision).toEqual(decide({ ...seen, retry: retryOf(run, world.deps), lockDurationMs: LOCK_MS, now }));
      expect(decision.do).not.toBe("look");
    },
  );

  it("asks at once for what does not depend on each other", async () => {
    const world = await withRun();
    const asked = new EventEmitter();
    const [forRun, forActions] = [once(asked, "run"), once(asked, "actions")];
    world.table.beforeNext("find", () => asked.emit("run"));
    world.table.beforeNext("lastTick", () => forRun);
    world.table.beforeNext("actions", () => asked.emit("actions"));
    world.cluster.beforeNext("glance", () => forActions);
    expect((await explained(world)).decision).toEqual({ do: "leave", cause: "job-at-work" });
  });

  it("changes nothing", async () => {
    const world = await withRun();
    const all = () => JSON.stringify([world.table.rows(), world.message(1), world.cluster.names()]);
    const before = all();
    await explained(world);
    expect(all()).toBe(before);
  });

  it("knows no run that never was, and says how a closed one ended", async () => {
    const world = await withRun();
    const key = world.run();
    expect(await explain(world.deps, { ...key, sequenceNumber: 99 })).toBeUndefined();
    world.cluster.succeed(world.jobName());
    await world.tick();
    expect(await explain(world.deps, key)).toMatchObject({
      kind: "closed",
      run: { status: "succeeded", attempt: 1, closedAt: T0 },
    });
  });

  it("says what is away if a fact can't be found out", async () => {
    const world = await withRun();
    world.cluster.failNext("glance", new UnavailableError("no connection"));
    expect(await explained(world)).toMatchObject({ unavailable: "no connection", decision: { do: "look", at: "job" } });
  });
});

/** What a tick does next, by the explanation of the only open run, and what it then did. */
interface Foretold {
  readonly it: string;
  readonly make: () => Promise<World>;
  readonly cause: string;
}

describe("what a run waits for", () => {
  const full = async (...modules: Parameters<typeof makeWorld>) => {
    const world = makeWorld(...modules);
    await world.send();
    return world;
  };
  const cases: readonly Foretold[] = [
    { it: "a free slot", cause: "max-active", make: () => full([aModule({ maxActive: 0 })]) },
    {
      it: "the back-off of its next attempt",
      cause: "back-off",
      async make() {
        const world = await withRun(
          makeWorld([aModule({ retry: { ...RETRY, backoff: { firstMs: 60_000, maxMs: 60_000 } } })]),
        );
        world.cluster.fail(world.jobName());
        await ticks(world, () => world.run().status === "waiting", 0);
        return world;
      },
    },
    { it: "its Job's end", cause: "job-at-work", make: () => withRun() },
    {
      it: "its queue to resume its Job",
      cause: "job-suspended",
      async make() {
        const world = await full();
        world.cluster.suspend(world.jobName());
        return world;
      },
    },
    {
      it: "its gate to open",
      cause: "held",
      async make() {
        const world = makeWorld([aModule({ when: { subject: "wanted" } })]);
        for (let n = 0; n < 11; n += 1) await world.send({ subject: "unwanted" });
        world.clock.advance(20_000);
        return world;
      },
    },
    {
      it: "a node",
      cause: "no-node",
      async make() {
        const world = await full();
        world.cluster.unschedule(world.jobName(), "0/3 nodes are available: 3 Insufficient cpu.");
        await ticks(world, () => world.run().heldUpBy !== undefined, 300_000);
        return world;
      },
    },
    {
      it: "the trigger that is at work",
      cause: "trigger-at-work",
      async make() {
        const world = await withRun();
        await rewrite(world, () => ({ status: "accepted", notBefore: world.clock.now() + 5_000 }));
        return world;
      },
    },
  ];

  it.each(cases)("is $it, and the next tick says so too", async ({ make, cause }) => {
    const world = await make();
    const { waitsFor } = await explained(world);
    expect(waitsFor?.cause).toBe(cause);
    await world.tick();
    // What works has a count of its own, and a tick does not read what waits for its time.
    const isCounted = cause !== "job-at-work" && cause !== "back-off";
    expect(world.lastTick()).toMatchObject({ working: cause === "job-at-work" ? 1 : 0 });
    expect(world.lastTick()?.["waiting"]).toEqual(isCounted ? { [cause]: 1 } : {});
  });

  it("is its module's probe if the module is tripped, and until when", async () => {
    const world = makeWorld([aModule({ retry: { ...RETRY, maxAttempts: 9 } })]);
    for (let n = 0; n < 3; n += 1) await world.send();
    for (const { jobName = "" } of world.open()) world.cluster.stick(jobName);
    await ticks(world, () => world.open().every(({ status }) => status === "waiting"), 20_000);
    world.clock.advance(5_000);
    const [run] = world.open();
    if (!run) throw new Error("no run");
    const { waitsFor } = await explained(world, run);
    const [state] = await world.table.moduleStates();
    expect(waitsFor).toMatchObject({ cause: "module-tripped", until: state?.state.probeAt });
  });

  it("is a person who paused its module", async () => {
    const world = await full([aModule({ maxActive: 0 })]);
    const anAction = actionOf({ who: "ada" }, "pause", "thumbnail", T0);
    const limit = { module: "thumbnail", slots: 0, who: "ada", why: "a slow disk", since: T0 };
    await world.table.saveLimit(limit, undefined, anAction);
    const said = await explained(world);
    expect(said.waitsFor).toMatchObject({ cause: "paused", limit });
    expect(sentencesOf({ kind: "open", ...said })).toContain("Its module is paused by ada (a slow disk).");
  });

  it("is its module's file if that is gone", async () => {
    const world = await full([aModule({ maxActive: 0 })]);
    const { deps } = world.makeReplica({ modules: new Map() });
    expect((await explained(world, world.run(), deps)).waitsFor?.cause).toBe("module-removed");
    const wrong = { ...deps, wrongFiles: [{ module: "thumbnail", mistakes: ["thumbnail.yaml:6:12: maxActive"] }] };
    expect((await explained(world, world.run(), wrong)).waitsFor?.cause).toBe("module-unread");
  });

  it("is the right cluster, whatever the rule says", async () => {
    const world = await withRun();
    await world.tick();
    world.cluster.uid = "another";
    expect(await explained(world)).toMatchObject({
      keptBack: { cause: "wrong-cluster", because: "another cluster" },
      waitsFor: { cause: "wrong-cluster" },
      decision: { do: "leave", cause: "job-at-work" },
    });
  });

  it("is its source if that is held, or its entity is missing", async () => {
    const world = await full([aModule({ maxActive: 1 })]);
    const hold = { because: "messages missing", since: T0, confirmedAt: T0, missing: [] } as const;
    await world.table.holdSource(SOURCE, hold, undefined);
    expect(await explained(world)).toMatchObject({
      keptBack: { cause: "source-held", because: "messages missing", since: T0 },
      waitsFor: { cause: "source-held" },
    });
  });

  it("has a place in the line, exactly up to a thousand", async () => {
    const world = makeWorld([aModule({ maxActive: 0 })]);
    for (let n = 0; n < 4; n += 1) await world.send();
    const runs = world.open();
    const ahead = await Promise.all(runs.map(async (run) => (await explained(world, run)).waitsFor?.ahead));
    expect(ahead).toEqual([0, 1, 2, 3].map((count) => ({ count, isMore: false })));
  });

  it("is counted once, though rule and answer both need it", async () => {
    const world = makeWorld([aModule({ maxActive: 1 })]);
    for (let n = 0; n < 3; n += 1) await world.send();
    const { table } = world.deps;
    let counted = 0;
    const counting = {
      ...table,
      ahead: (...asked: Parameters<typeof table.ahead>) => ((counted += 1), table.ahead(...asked)),
    };
    const { waitsFor } = await explained(world, world.open()[2], { ...world.deps, table: counting });
    expect(waitsFor).toMatchObject({ cause: "max-active", ahead: { count: 1 } });
    expect(counted).toBe(1);
  });

  it("counts the slots at work only if it may be next, and reads no run for that", async () => {
    const world = makeWorld([aModule({ maxActive: 2 })]);
    for (let n = 0; n < 5; n += 1) await world.send();
    const { table } = world.deps;
    const asked: string[] = [];
    const counting = {
      ...table,
      atWork: (...of: Parameters<typeof table.atWork>) => (asked.push("runs"), table.atWork(...of)),
      slotsAtWork: (...of: Parameters<typeof table.slotsAtWork>) => (asked.push("slots"), table.slotsAtWork(...of)),
    };
    const [, , , second, third] = world.open();
    for (const run of [second, third])
      expect((await explained(world, run, { ...world.deps, table: counting })).waitsFor?.cause).toBe("max-active");
    // The one has a run ahead of it, and the other as many as there are slots.
    expect(asked).toEqual(["slots"]);
  });

  /** Two Jobs took a minute, two began at the end of it, and three runs are in line. */
  const withTwoAtWork = async () => {
    const world = makeWorld([aModule({ maxActive: 2 })]);
    for (let n = 0; n < 7; n += 1) await world.send();
    for (const { jobName } of world.open()) if (jobName !== undefined) world.cluster.succeed(jobName);
    world.clock.advance(60_000);
    await world.tick();
    await world.tick();
    return world;
  };

  it("takes as long as the module's recent ends say, and says by how many", async () => {
    const world = await withTwoAtWork();
    const { waitsFor } = await explained(world, world.open().at(-1));
    // Two were closed in a minute, and two that were in line have taken theirs: two are ahead of the last.
    expect(waitsFor).toEqual({
      cause: "max-active",
      ahead: { count: 2, isMore: false },
      estimate: { ms: 90_000, isMore: false, closed: 2, since: T0, leastMs: expect.any(Number) },
    });
    // A Job's duration is known to a tenth, and the shorter one of two estimates is the least.
    expect(waitsFor?.estimate?.leastMs).toBeGreaterThan(81_000);
  });

  describe("near the front of its line", () => {
    it("takes as long as the Jobs at work still work, if they take as long as those did lately", async () => {
      const world = await withTwoAtWork();
      world.clock.advance(20_000);
      const [, , first, second] = world.open();
      for (const run of [first, second]) {
        const { estimate } = (await explained(world, run)).waitsFor ?? {};
        expect(estimate).toMatchObject({ jobs: 2, closed: 2, since: T0, isMore: false });
        // A Job's duration is known to a tenth. At the pace of the ends the first would wait for 40 s, and the second
        // for 80 s.
        expect(estimate?.ms).toBeGreaterThan(28_000);
        expect(estimate?.ms).toBeLessThan(52_000);
      }
    });

    it("takes as long as the last of those at work, if a person's limit lets fewer be there", async () => {
      const world = await withTwoAtWork();
      world.clock.advance(30_000);
      const [older] = world.open();
      world.cluster.succeed(older?.jobName ?? "");
      await world.tick();
      await world.tick();
      // One has worked for 30 s by now, and one has just begun.
      const [, , first] = world.open();
      const before = (await explained(world, first)).waitsFor;
      expect(before?.estimate?.ms).toBeLessThan(45_000);
      const anAction = actionOf({ who: "ada" }, "limit", "thumbnail", T0);
      await world.table.saveLimit({ module: "thumbnail", slots: 1, who: "ada", since: T0 }, undefined, anAction);
      const { estimate } = (await explained(world, first)).waitsFor ?? {};
      expect(estimate?.jobs).toBe(2);
      expect(estimate?.ms).toBeGreaterThan(45_000);
    });

    it("takes no time of Jobs for the slots that are free, which go to those ahead", async () => {
      const world = await withTwoAtWork();
      world.clock.advance(20_000);
      const third = world.open()[4];
      const estimateOf = async () => (await explained(world, third)).waitsFor?.estimate;
      // Two are ahead of it, and two slots: the pace tells.
      expect(await estimateOf()).not.toHaveProperty("jobs");
      const anAction = actionOf({ who: "ada" }, "limit", "thumbnail", T0);
      await world.table.saveLimit({ module: "thumbnail", slots: 4, who: "ada", since: T0 }, undefined, anAction);
      // Those take the two that were added, and the first of the Jobs that ends makes room for it.
      expect(await estimateOf()).toMatchObject({ jobs: 2 });
      expect((await estimateOf())?.ms).toBeLessThan(52_000);
    });

    it("expects nothing of a Job that works for longer than they did", async () => {
      const world = await withTwoAtWork();
      world.clock.advance(60_000 * 1.3);
      const [older] = world.open();
      world.cluster.succeed(older?.jobName ?? "");
      await world.tick();
      await world.tick();
      const [, , first, second] = world.open();
      // One has worked for too long by then, and one began not long ago.
      world.clock.advance(20_000);
      expect((await explained(world, first)).waitsFor?.estimate?.ms).toBeGreaterThan(45_000);
      expect((await explained(world, second)).waitsFor?.estimate).not.toHaveProperty("jobs");
    });

    it("counts as its evidence the ends of Jobs alone", async () => {
      const world = await withTwoAtWork();
      const [, , , , last] = world.open();
      await cancelRun(world.deps, last ?? world.run(), { by: { who: "ada" } }, QUIET);
      await world.tick();
      const { estimate } = (await explained(world, world.open()[2])).waitsFor ?? {};
      expect(estimate).toMatchObject({ jobs: 2, closed: 2 });
    });

    it("takes as long as the module's recent ends say, if Jobs work for longer than they did", async () => {
      const world = await withTwoAtWork();
      world.clock.advance(300_000);
      const { estimate } = (await explained(world, world.open()[2])).waitsFor ?? {};
      expect(estimate).toEqual({ ms: 180_000, isMore: false, closed: 2, since: T0, leastMs: expect.any(Number) });
    });
  });

  it("says how long Jobs of its module took, while its own is at work", async () => {
    const world = makeWorld();
    await world.send();
    expect(await explained(world)).not.toHaveProperty("usually");
    world.clock.advance(60_000);
    world.cluster.succeed(world.jobName());
    await ticks(world, () => world.open().length === 0);
    await world.send();
    const { usually } = await explained(world);
    expect(usually?.count).toBe(1);
    expect(usually?.medianMs).toBeGreaterThan(48_000);
  });

  it("may come sooner if nothing of the module ended at first, because no message had come", async () => {
    const world = makeWorld([aModule({ maxActive: 2 })]);
    await world.tick();
    world.clock.advance(40 * 60_000);
    for (let n = 0; n < 7; n += 1) await world.send();
    for (const { jobName } of world.open()) if (jobName !== undefined) world.cluster.succeed(jobName);
    world.clock.advance(60_000);
    await world.tick();
    await world.tick();
    const { waitsFor } = await explained(world, world.open().at(-1));
    const { estimate } = waitsFor ?? {};
    expect(estimate).toMatchObject({ closed: 2 });
    expect(estimate?.ms).toBe(3 * 20.5 * 60_000);
    expect(estimate?.leastMs).toBeGreaterThan(81_000);
    expect(estimate?.leastMs).toBeLessThanOrEqual(90_000);
  });

  it("takes as long after a restart of the replica that ticks", async () => {
    const world = makeWorld([aModule({ maxActive: 2 })]);
    for (let n = 0; n < 6; n += 1) await world.send();
    for (const { jobName } of world.open()) if (jobName !== undefined) world.cluster.succeed(jobName);
    world.clock.advance(60_000);
    await world.tick();
    await world.tick();
    await world.makeReplica().tick();
    const { waitsFor } = await explained(world, world.open().at(-1));
    expect(waitsFor?.estimate).toMatchObject({ closed: 2, since: T0 });
  });

  it("takes unknown time if nothing of the module ended", async () => {
    const world = makeWorld([aModule({ maxActive: 1 })]);
    for (let n = 0; n < 2; n += 1) await world.send();
    await world.tick();
    const { waitsFor } = await explained(world, world.open()[1]);
    expect(waitsFor).toEqual({
      cause: "max-active",
      ahead: { count: 0, isMore: false },
      estimate: { ms: undefined, isMore: false, closed: 0, since: T0 },
    });
  });

  it("is nothing if the next tick goes on", async () => {
    const world = makeWorld([aModule({ maxActive: 0 })]);
    await world.send();
    const { deps } = world.makeReplica({ modules: new Map([["thumbnail", aModule({ maxActive: 1 })]]) });
    const { decision, waitsFor } = await explained(world, world.run(), deps);
    expect(decision).toEqual<Decision>({ do: "start" });
    expect(waitsFor).toBeUndefined();
  });
});
