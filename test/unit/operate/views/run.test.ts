import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../../shared/errors.ts";
import { findRuns, searchRuns } from "../../../../shared/operate/views/find-runs.ts";
import { type RunShown, showRun } from "../../../../shared/operate/views/run.ts";
import { type RunKey, runId } from "../../../../shared/run/run.ts";
import { aModule } from "../../../support/a-module.ts";
import { aRun, T0 } from "../../../support/a-run.ts";
import { makeWorld, RETRY, SOURCE, ticks, type World, withRun } from "../../../support/world.ts";

async function shown(world: World, key: RunKey, withContent = false): Promise<RunShown> {
  const run = await showRun(world.deps, key, { withContent });
  if (run === undefined || run === "newer") throw new Error("no run");
  return run;
}

describe("a run", () => {
  it("is shown with its Job, its pod and its message", async () => {
    const world = await withRun();
    const key = world.run();
    const { jobName } = world.run();
    expect(await shown(world, key)).toMatchObject({
      run: { messageId: "m-1", status: "dispatched" },
      place: "work",
      attempt: 1,
      job: {
        found: {
          name: jobName,
          phase: "active",
          isRetired: false,
          pods: [{ phase: "Running", containers: [{ state: "running" }] }],
        },
      },
      message: { found: { state: "deferred", deliveryCount: 1, bodyBytes: 2, stamps: { "dispatcher-attempt": 1 } } },
      times: { enqueuedAt: T0, acceptedAt: T0, jobCreatedAt: T0 },
    });
  });

  it("keeps body and properties to itself unless they are asked for", async () => {
    const world = await withRun(makeWorld(), { properties: { tenant: "acme" } });
    const { message } = await shown(world, world.run());
    expect(JSON.stringify(message)).not.toContain("acme");
    const { message: whole } = await shown(world, world.run(), true);
    expect(whole).toMatchObject({ found: { content: { properties: { tenant: "acme" }, body: Buffer.from("{}") } } });
  });

  it("is shown with its last Job while it waits for its next attempt, and as far as it is known once it is closed", async () => {
    const world = await withRun(makeWorld([aModule({ retry: { ...RETRY, maxAttempts: 2 } })]));
    const key = world.run();
    const first = world.jobName();
    world.cluster.fail(first, 7);
    await ticks(world, () => world.run().status === "waiting", 0);
    expect(await shown(world, key)).toMatchObject({
      place: "later",
      attempt: 1,
      run: { attempt: 2 },
      job: { found: { name: first, phase: "failed", isRetired: true, pods: [{ containers: [{ exitCode: 7 }] }] } },
    });
    await ticks(world, () => world.run().status === "dispatched");
    world.cluster.fail(world.jobName(), 7);
    await ticks(world, () => world.open().length === 0);
    expect(await shown(world, key)).toMatchObject({
      place: "closed",
      attempt: 2,
      run: { status: "failed", verdict: { reason: "JobFailed", exitCode: 7 } },
      message: { found: null },
      times: { closedAt: world.clock.now() },
    });
  });

  it("has no Job before its first attempt", async () => {
    const world = makeWorld([aModule({ maxActive: 0 })]);
    await world.send();
    expect(await shown(world, world.run())).toMatchObject({ place: "line", attempt: 0, job: { found: null } });
  });

  it("is shown as far as it can be seen if bus or cluster is away", async () => {
    const world = await withRun();
    world.cluster.failNext("get", new UnavailableError("no cluster"));
    world.broker.failNext("peek", new UnavailableError("no bus"));
    expect(await shown(world, world.run())).toMatchObject({
      run: { status: "dispatched" },
      job: { unavailable: "no cluster" },
      message: { unavailable: "no bus" },
    });
  });

  it("is found by its own id, its message's and its correlation id", async () => {
    const world = await withRun(makeWorld(), { messageId: "order-7", correlationId: "trace-1" });
    await world.send({ messageId: "order-8", correlationId: "trace-1" });
    const [first, second] = world.open().map(({ source, sequenceNumber, enqueuedAt }) => {
      return { source, sequenceNumber, enqueuedAt };
    });
    if (!first || !second) throw new Error("no runs");
    expect(await findRuns(world.deps, runId(first))).toEqual({ by: "run id", keys: [first], isMore: false });
    expect(await findRuns(world.deps, "order-7")).toEqual({ by: "message id", keys: [first], isMore: false });
    expect(await findRuns(world.deps, "trace-1")).toEqual({
      by: "correlation id",
      keys: [first, second],
      isMore: false,
    });
  });

  it("is found page by page among many whose messages have its correlation id", async () => {
    const world = makeWorld();
    const other = { queue: "zebras" };
    for (const [source, count] of [
      [SOURCE, 120],
      [other, 30],
    ] as const) {
      await world.table.registerSource(source);
      for (let sequenceNumber = 1; sequenceNumber <= count; sequenceNumber += 1)
        await world.table.insert(aRun({ source, sequenceNumber, correlationId: "order-1" }));
    }
    const first = await searchRuns(world.deps, "order-1");
    expect([first.by, first.runs.length]).toEqual(["correlation id", 100]);
    const second = await searchRuns(world.deps, "order-1", first.next);
    expect([second.by, second.runs.length, second.next]).toEqual(["correlation id", 50, undefined]);
    expect(new Set([...first.runs, ...second.runs].map(({ id }) => id)).size).toBe(150);
    expect(second.runs.at(-1)).toMatchObject({ source: other, sequenceNumber: 30, status: "dispatched" });
    for (const from of ["rubbish", "", Buffer.from('["message id","other",1,2,null]').toString("base64url")])
      await expect(searchRuns(world.deps, "order-1", from)).rejects.toBeInstanceOf(RangeError);
  });

  it("is not found by an id that never was", async () => {
    const world = await withRun();
    for (const id of ["thumbnails:99:5", "rubbish", ""]) expect(await findRuns(world.deps, id)).toBeUndefined();
    expect(await showRun(world.deps, { ...world.run(), sequenceNumber: 99 })).toBeUndefined();
  });
});
