import { describe, expect, it } from "vitest";
import { runId } from "../../../shared/run/run.ts";
import { MOST_ENTRIES, traced } from "../../../shared/run/timeline.ts";
import { aModule } from "../../support/a-module.ts";
import { aRun, closing, T0 } from "../../support/a-run.ts";
import { makeWorld, RETRY, ticks, type World, withRun } from "../../support/world.ts";

const happened = (world: World) =>
  [...world.open(), ...world.closed()].flatMap(({ timeline = [] }) =>
    timeline.map(({ what, attempt, cause }) => `${attempt} ${what}${cause === undefined ? "" : `: ${cause}`}`),
  );

describe("the timeline of a run", () => {
  it("tells of every attempt how it began, how it ended and why, and how the run was closed", async () => {
    const world = await withRun(makeWorld([aModule({ retry: { ...RETRY, maxAttempts: 3 } })]));
    world.cluster.fail(world.jobName(), 7);
    await ticks(world, () => world.run().attempt === 2 && world.run().status === "dispatched");
    world.cluster.succeed(world.jobName());
    await ticks(world, () => world.open().length === 0);
    expect(happened(world)).toEqual([
      "1 accepted",
      "1 job-created",
      expect.stringMatching(/^1 attempt-ended: .*exited with code 7/),
      "2 waiting",
      "2 job-created",
      "2 succeeded",
      "2 closed",
    ]);
    const times = world.closed()[0]?.timeline?.map(({ at }) => at) ?? [];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBe(T0);
  });

  it("tells of a message that waits in line, and of one that is rejected", async () => {
    const world = makeWorld([aModule({ maxActive: 0, when: { subject: "known" } })]);
    await world.send({ subject: "known" });
    expect(happened(world)).toEqual(["1 accepted: it waits in line"]);
    await world.send({ subject: "other" });
    expect(happened(world)).toEqual([
      "1 accepted: it waits in line",
      expect.stringMatching(/^1 rejected: .*no module/),
      "1 closed",
    ]);
  });

  it("costs no write of its own", async () => {
    const world = await withRun();
    const writes: string[] = [];
    const { table } = world;
    const replica = world.makeReplica({
      tables: {
        ...table,
        update: (...args) => (writes.push("update"), table.update(...args)),
        close: (...args) => (writes.push("close"), table.close(...args)),
      },
    });
    world.cluster.succeed(world.jobName());
    await replica.tick();
    await replica.tick();
    expect(writes.filter((write) => write === "close")).toEqual(["close"]);
    expect(writes.filter((write) => write === "update").length).toBeLessThanOrEqual(2);
    expect(world.closed()[0]?.timeline).toHaveLength(4);
  });

  it("keeps the first entry and the last ones", () => {
    let run = traced(undefined, aRun({ status: "accepted" }), T0);
    for (let n = 1; n <= 30; n += 1) {
      const held = { ...run, heldUpBy: "no-node" as const, lastError: `${n}` };
      run = traced(held, traced(run, held, T0 + n), T0 + n);
      const { heldUpBy: _, ...free } = run;
      run = traced(run, free, T0 + n);
    }
    const timeline = run.timeline ?? [];
    expect(timeline).toHaveLength(MOST_ENTRIES);
    expect(timeline[0]).toEqual({ at: T0, what: "accepted", attempt: 1 });
    expect(timeline.at(-1)).toEqual({ at: T0 + 30, what: "freed", attempt: 1 });
  });

  it("enters once what happens again and again, and cuts what is long", () => {
    const waiting = aRun({ status: "waiting" });
    const once = traced(waiting, { ...waiting, notBefore: T0 + 1 }, T0);
    const twice = traced(once, { ...once, notBefore: T0 + 2 }, T0 + 1);
    expect(twice.timeline).toEqual([{ at: T0, what: "put-off", attempt: 1 }]);
    const end = { outcome: "failed", reason: "JobFailed", description: "x".repeat(5_000) } as const;
    const [entry] = traced(aRun(), aRun({ status: "settling", verdict: end }), T0).timeline ?? [];
    expect(entry?.cause?.length).toBeLessThanOrEqual(200);
  });

  it("says that a run was lost, and was opened again", () => {
    const open = aRun();
    const lost = traced(open, closing(open, { status: "lost", verdict: { outcome: "lost" } }), T0);
    expect(lost.timeline?.map(({ what }) => what)).toEqual(["lost"]);
    const { closedAt: _, verdict: __, ...again } = lost;
    const back = traced(lost, { ...again, status: "accepted" }, T0 + 1);
    expect(back.timeline?.map(({ what }) => what)).toEqual(["lost", "reopened"]);
  });

  it("begins with the next write if an older release wrote the run", async () => {
    const world = makeWorld();
    await world.table.registerSource(aRun().source);
    const stored = await world.table.insert(aRun());
    expect(stored.run.timeline).toBeUndefined();
    const next = await world.deps.table.update(stored, {
      ...stored.run,
      status: "settling",
      verdict: { outcome: "succeeded" },
    });
    expect(next.run.timeline?.map(({ what }) => what)).toEqual(["succeeded"]);
    expect(runId(next.run)).toBe(runId(aRun()));
  });
});
