import { describe, expect, it } from "vitest";
import { status } from "../../../shared/operate/views/status.ts";
import { makeFakeRunTable } from "../../support/fake-run-table.ts";
import { LOCK_MS, makeWorld, ticks, withRun } from "../../support/world.ts";

describe("several replicas", () => {
  it("settle a message once if two of them tick at the same time", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    await Promise.all([world.tick(), world.makeReplica().tick()]);
    await ticks(world, () => world.open().length === 0, LOCK_MS);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.message(1).state).toBe("completed");
  });

  it("start one Job for an attempt if two of them start it at the same time", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    world.clock.advance(10_000);
    await Promise.all([world.tick(), world.makeReplica().tick()]);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2 });
    expect(world.cluster.names()).toHaveLength(2);
  });

  it("find the Job's tombstone if one of them wakes after the attempt is over", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    await world.tick();
    expect(world.closed()).toHaveLength(1);
    // A replica that slept since before the first create would send this.
    const create = world.cluster.creates[0];
    expect(create && (await world.cluster.create(create))).toMatchObject({ kind: "exists" });
  });

  it("end a Job that one of them created for an attempt that is over, as the row says", async () => {
    const world = makeWorld();
    world.cluster.failNext("create");
    await world.send();
    world.clock.advance(20_000);
    // Another replica closes the run while the create is under way.
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

  it("retire a Job whose run is closed, in the first tick that sees it", async () => {
    const world = await withRun();
    const name = world.jobName();
    const found = await world.table.find(world.run());
    if (found.kind === "open")
      await world.table.close(found.stored, { ...found.stored.run, status: "cancelled", closedAt: world.clock.now() });
    await world.tick();
    expect(world.cluster.job(name).metadata?.labels?.["ion/retired"]).toBe("true");
    expect(world.cluster.job(name).spec?.activeDeadlineSeconds).toBe(1);
  });

  it("report an orphan Job, and leave it alone", async () => {
    const world = await withRun();
    // The table was restored empty, so that it has a new owner.
    const table = makeFakeRunTable({ clock: world.clock, owner: "owner-2" });
    const other = world.makeReplica({ tables: table });
    await other.tick();
    await other.tick();
    expect(world.lastTick()).toMatchObject({ orphans: 2, orphanJobs: 1 });
    expect((await status(other.deps)).problems).toMatchObject([{ kind: "orphans", count: 2, jobs: 1 }]);
    expect(world.cluster.calls.get("retire")).toBeUndefined();
  });

  it("take another name, as an interruption, if a foreign Job has this one", async () => {
    const world = makeWorld();
    world.cluster.failNext("create");
    await world.send();
    world.cluster.addForeign(world.cluster.creates[0]?.metadata?.name ?? "");
    world.clock.advance(20_000);
    await ticks(world, () => world.run().status === "dispatched");
    expect(world.run()).toMatchObject({ attempt: 2, interruptions: 1, failures: 0 });
  });

  it("go on with the other runs if one run's step fails", async () => {
    const world = await withRun();
    await world.send({ messageId: "m-2" });
    for (const run of world.open()) world.cluster.succeed(run.jobName ?? "");
    world.broker.failNext("completeDeferred", new Error("a bug"));
    await world.tick();
    expect(world.closed()).toHaveLength(1);
    expect(world.lastTick()).toMatchObject({ failed: 1, completed: 1 });
  });

  it("change nothing if the cluster can't be listed, and log why", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.cluster.failNext("listJobs");
    await world.tick();
    expect(world.run().status).toBe("dispatched");
    expect(world.lastTick()).toMatchObject({ message: "reconcile is held up" });
  });
});
