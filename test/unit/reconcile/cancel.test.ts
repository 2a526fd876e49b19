import { describe, expect, it } from "vitest";
import { audit } from "../../../shared/operate/audit/audit.ts";
import { makeWorld } from "../../support/world.ts";

async function withJob() {
  const world = makeWorld();
  await world.send();
  const name = world.jobName();
  world.cluster.run(name);
  return { ...world, name };
}

/** Ticks until the run is over. */
async function toTheEnd(world: Pick<Awaited<ReturnType<typeof withJob>>, "tick" | "clock" | "open">) {
  for (let tick = 0; tick < 10 && world.open().length > 0; tick += 1) {
    await world.tick();
    world.clock.advance(10_000);
  }
}

describe("a Job labelled ion/cancel=true", () => {
  it("cancels its run although the row does not name the Job yet", async () => {
    const world = makeWorld();
    world.cluster.loseNextReply("create");
    await world.send();
    const [name = ""] = world.cluster.names();
    world.cluster.run(name);
    world.cluster.cancel(name);
    world.clock.advance(20_000);
    await toTheEnd(world);
    expect(world.message(1).letter?.reason).toBe("Cancelled");
  });

  it("cancels its run if it fails", async () => {
    const world = await withJob();
    world.cluster.cancel(world.name);
    world.cluster.fail(world.name);
    await toTheEnd(world);
    expect(world.message(1).letter?.reason).toBe("Cancelled");
  });

  it("cancels its run if it is suspended, although the Dispatcher was ending it for another reason", async () => {
    const world = makeWorld();
    await world.send();
    const name = world.jobName();
    world.cluster.stick(name);
    await world.tick();
    world.clock.advance(31_000);
    world.cluster.failNext("end");
    await world.tick();
    expect(world.run().endOrdered).toMatchObject({ reason: "JobNotStarted" });
    world.cluster.suspend(name);
    world.cluster.cancel(name);
    await toTheEnd(world);
    expect(world.message(1).letter?.reason).toBe("Cancelled");
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("does not stay for ever if it is suspended: it ends without a pod, and its TTL removes it", async () => {
    const world = await withJob();
    world.cluster.suspend(world.name);
    world.cluster.cancel(world.name);
    await toTheEnd(world);
    expect(world.message(1).letter?.reason).toBe("Cancelled");
    expect(await world.cluster.pods(world.name)).toEqual([]);
    world.clock.advance(3_700_000);
    expect(world.cluster.names()).toEqual([]);
  });

  it("cancels its run although the cluster fails to end the suspended Job", async () => {
    const world = await withJob();
    world.cluster.suspend(world.name);
    world.cluster.cancel(world.name);
    world.cluster.failNext("endSuspended");
    await toTheEnd(world);
    expect(world.message(1).letter?.reason).toBe("Cancelled");
  });

  it("cancels its run while the requeue is not finished", async () => {
    const world = await withJob();
    world.cluster.fail(world.name);
    world.cluster.failNext("retire");
    await world.tick();
    expect(world.run()).toMatchObject({ status: "requeueing", attempt: 2 });
    world.cluster.cancel(world.name);
    await toTheEnd(world);
    expect(world.closed()).toMatchObject([{ status: "cancelled", attempt: 1, jobName: world.name }]);
    expect(world.message(1).letter?.description).toMatch(/^Job \S+, attempt 1 of 3: cancelled/);
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("cancels its run while that waits out the back-off, although the Job is retired already", async () => {
    const world = await withJob();
    world.cluster.fail(world.name);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2 });
    world.cluster.cancel(world.name);
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "cancelled", attempt: 1, failures: 1 }]);
    expect(world.message(1).letter).toMatchObject({ reason: "Cancelled" });
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("cancels its run although the next attempt has just begun", async () => {
    const world = await withJob();
    world.cluster.fail(world.name);
    await world.tick();
    world.clock.advance(10_000);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2 });
    world.cluster.cancel(world.name);
    await toTheEnd(world);
    expect(world.closed()).toMatchObject([{ status: "cancelled", attempt: 2 }]);
    expect(world.cluster.creates).toHaveLength(2);
  });

  it("comes too late for a Job that has succeeded", async () => {
    const world = await withJob();
    world.cluster.succeed(world.name);
    world.cluster.cancel(world.name);
    await toTheEnd(world);
    expect(world.message(1).state).toBe("completed");
  });
});

describe("a Job that the Dispatcher is ending", () => {
  /** A Job that can't start. The row says that the Dispatcher ends it, but the call that ends it has failed. */
  async function beingEnded() {
    const world = makeWorld();
    await world.send();
    const name = world.jobName();
    world.cluster.stick(name);
    await world.tick();
    world.clock.advance(31_000);
    world.cluster.failNext("end");
    await world.tick();
    expect(world.run().endOrdered).toMatchObject({ reason: "JobNotStarted" });
    return { ...world, name };
  }

  it("completes its message if it succeeds all the same", async () => {
    const world = await beingEnded();
    world.cluster.run(world.name);
    world.cluster.succeed(world.name);
    await toTheEnd(world);
    expect(world.message(1).state).toBe("completed");
  });

  it.each(["deleteJob", "suspend"] as const)("counts as ended for that reason if it is gone: %s", async (how) => {
    const world = await beingEnded();
    world.cluster[how](world.name);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2, failures: 1, interruptions: 0 });
    expect(world.run()).not.toHaveProperty("endOrdered");
  });

  it("is left alone while its pods end, however long that takes, and counts as overdue", async () => {
    const world = await beingEnded();
    world.cluster.linger(world.name);
    world.clock.advance(48 * 3_600_000);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
    expect(world.lastTick()).toMatchObject({ overdue: 1 });
  });
});

describe("the count of overdue Jobs", () => {
  it("has no suspended Job, because its time does not run", async () => {
    const world = await withJob();
    world.cluster.suspend(world.name);
    world.clock.advance(48 * 3_600_000);
    await world.tick();
    expect(world.lastTick()).toMatchObject({ overdue: 0 });
  });

  it("has no Job that waited for hours in a queue and runs since a moment, and no person is asked to force it", async () => {
    const world = await withJob();
    world.cluster.suspend(world.name);
    world.clock.advance(3 * 3_600_000);
    await world.tick();
    world.cluster.resume(world.name);
    world.cluster.run(world.name);
    world.clock.advance(10_000);
    await world.tick();
    expect(world.lastTick()).toMatchObject({ overdue: 0, working: 1 });
    expect((await audit(world.deps)).findings).toEqual([]);
    // One look moved the limit in its row, and there is none again until it is over.
    const looks = world.cluster.calls.get("get");
    world.clock.advance(3_600_000);
    await world.tick();
    expect(world.lastTick()).toMatchObject({ overdue: 0 });
    expect(world.cluster.calls.get("get")).toBe(looks);
    world.clock.advance(90_000);
    await world.tick();
    expect(world.lastTick()).toMatchObject({ overdue: 1, working: 1 });
    expect((await audit(world.deps)).findings).toMatchObject([{ kind: "overdue Job" }]);
  });

  it("has no Job that found a node after hours", async () => {
    const world = makeWorld();
    await world.send();
    const name = world.jobName();
    world.cluster.withholdController(name);
    world.clock.advance(10 * 3_600_000);
    await world.tick();
    expect(world.lastTick()).toMatchObject({ overdue: 0, notStarted: 1 });
    world.cluster.givePod(name);
    world.cluster.run(name);
    for (let minute = 0; minute < 60; minute += 10) {
      await world.tick();
      expect(world.lastTick()).toMatchObject({ overdue: 0, notStarted: 0, working: 1 });
      world.clock.advance(600_000);
    }
  });

  it.each(["is there", "is gone"])("has a Job whose node went silent, if its module's file %s", async (file) => {
    const world = await withJob();
    const { tick } = file === "is gone" ? world.makeReplica({ modules: new Map() }) : world;
    world.cluster.loseNode(world.name);
    await tick();
    expect(world.lastTick()).toMatchObject({ overdue: 0 });
    world.clock.advance(48 * 3_600_000);
    await tick();
    expect(world.lastTick()).toMatchObject({ overdue: 1 });
  });

  it("has no Job that ended in time, although no tick saw it until long after", async () => {
    const world = await withJob();
    world.cluster.succeed(world.name);
    world.clock.advance(48 * 3_600_000);
    await world.tick();
    expect(world.lastTick()).toMatchObject({ overdue: 0, completed: 1 });
  });
});
