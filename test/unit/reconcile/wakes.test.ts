import { describe, expect, it } from "vitest";
import { ConflictError } from "../../../shared/errors.ts";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, SOURCE, type World, withRun } from "../../support/world.ts";

/** Tells a replica of a Job, and waits until it is through. Resolves to whether the next tick has to list. */
async function wake(replica: Pick<World, "openWakes">, ...names: readonly string[]): Promise<boolean> {
  const wakes = replica.openWakes();
  for (const name of names) wakes.wake(name);
  // What is in hand has begun by then.
  await new Promise((resolve) => setTimeout(resolve, 20));
  return wakes.close();
}

describe("a wake", () => {
  it("settles a message whose Job is complete, without any list", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    expect(await wake(world, name)).toBe(false);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.message(1).state).toBe("completed");
    expect(world.cluster.calls.get("listJobs")).toBeUndefined();
    expect(world.lines.at(-1)).toMatchObject({ message: "watched", woken: 1, completed: 1, failed: 0 });
  });

  it("requeues a message whose Job failed, for the reason that a look finds", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName(), 3);
    expect(await wake(world, world.jobName())).toBe(false);
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2, failures: 1 });
    expect(world.run().lastError).toMatch(/exit code 3|code 3/);
  });

  it("cancels the run of a failed Job that a person labelled", async () => {
    const world = await withRun();
    world.cluster.cancel(world.jobName());
    world.cluster.fail(world.jobName());
    await wake(world, world.jobName());
    expect(world.closed()).toMatchObject([{ status: "cancelled" }]);
  });

  it("looks at a Job of which the server says an unknown word, and leaves it at work", async () => {
    const world = await withRun();
    world.cluster.printUnknown(world.jobName(), "Dreaming");
    expect(await wake(world, world.jobName())).toBe(false);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  });

  it("never believes that a Job is absent: a tick that lists finds out", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.printUnknown(name, "Dreaming");
    const get = world.cluster.get.bind(world.cluster);
    // Another API server answers, whose cache is behind.
    world.cluster.get = async () => undefined;
    await wake(world, name);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1, interruptions: 0 });
    world.cluster.get = get;
    world.cluster.glance = async () => undefined;
    expect(await wake(world, name)).toBe(true);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1, interruptions: 0 });
  });

  it("leaves a run whose row another replica changed meanwhile to a tick that lists", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    const update = world.table.update.bind(world.table);
    world.table.update = async () => {
      world.table.update = update;
      throw new ConflictError("another replica was first");
    };
    expect(await wake(world, name)).toBe(true);
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("of the attempt before changes nothing, however late it comes", async () => {
    const world = await withRun();
    const first = world.jobName();
    world.cluster.fail(first);
    await world.tick();
    world.clock.advance(10_000);
    await world.tick();
    const before = world.run();
    expect(before).toMatchObject({ status: "dispatched", attempt: 2 });
    expect(await wake(world, first)).toBe(false);
    expect(world.run()).toEqual(before);
  });

  it("of a run that is closed changes nothing", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    await world.tick();
    expect(await wake(world, name, name)).toBe(false);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("follows a Job that a light tick found by trying to create it", async () => {
    const world = makeWorld();
    world.cluster.loseNextReply("create");
    await world.send();
    // The trigger gave up. A light tick finds the message deferred, and its create meets the Job.
    expect(world.run().status).toBe("accepted");
    const [name = ""] = world.cluster.names();
    world.clock.advance(16_000);
    await world.lightTick();
    expect(world.run()).toMatchObject({ status: "dispatched", jobName: name });
    world.cluster.run(name);
    world.cluster.succeed(name);
    await wake(world, name);
    expect(world.closed()).toMatchObject([{ status: "succeeded", attempt: 1 }]);
    expect(world.cluster.names()).toHaveLength(1);
  });

  it("of a Job whose trigger has not recorded it leaves it to a tick that lists", async () => {
    const world = makeWorld();
    const update = world.table.update.bind(world.table);
    let heard: boolean | undefined;
    world.table.update = async (stored, next) => {
      if (next.status === "dispatched" && heard === undefined) {
        const [name = ""] = world.cluster.names();
        world.cluster.run(name);
        world.cluster.succeed(name);
        heard = await wake(world, name);
      }
      return update(stored, next);
    };
    await world.send();
    expect(heard).toBe(true);
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("that is told twice looks once", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    await wake(world, name, name, name);
    expect(world.cluster.calls.get("glance")).toBe(1);
    expect(world.closed()).toHaveLength(1);
  });

  it("settles once if a tick has the run at the same time, and two replicas hear of it", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    await Promise.all([world.tick(), wake(world, name), wake(world.makeReplica(), name)]);
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.message(1).state).toBe("completed");
  });

  it("that fails is left to a tick that lists", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    world.cluster.failNext("glance");
    expect(await wake(world, name)).toBe(true);
    world.broker.failNext("completeDeferred");
    expect(await wake(world, name)).toBe(true);
    expect(world.run()).toMatchObject({ status: "settling" });
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("does nothing in another cluster", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    world.cluster.uid = "another";
    await wake(world.makeReplica(), name);
    expect(world.run()).toMatchObject({ status: "dispatched" });
  });
});

describe("a slot that a wake frees", () => {
  /** A module with one slot, one run whose Job runs, and so many that wait in line. */
  async function withLine(waiting: number): Promise<World> {
    const world = makeWorld([aModule({ maxActive: 1, retry: RETRY })]);
    await withRun(world);
    for (let n = 0; n < waiting; n += 1) await world.send({ messageId: `next-${n + 1}` });
    await world.tick();
    expect(world.cluster.names()).toHaveLength(1);
    return world;
  }

  const atWork = (world: World) => world.open().filter(({ status }) => status === "dispatched");

  it("goes to the first in line at once", async () => {
    const world = await withLine(3);
    const name = world.jobName();
    world.cluster.succeed(name);
    await wake(world, name);
    expect(world.closed()).toHaveLength(1);
    expect(atWork(world)).toMatchObject([{ messageId: "next-1" }]);
  });

  it("moves with the write that freed it: of two replicas that hear of the end, one fills it", async () => {
    const world = await withLine(3);
    const other = world.makeReplica();
    await other.tick();
    const name = world.jobName();
    world.cluster.succeed(name);
    await Promise.all([wake(world, name), wake(other, name)]);
    expect(world.closed()).toHaveLength(1);
    expect(atWork(world)).toMatchObject([{ messageId: "next-1" }]);
  });

  it("is not filled while nobody waits, and the next message takes it", async () => {
    const world = await withLine(1);
    for (const messageId of ["m-1", "next-1"]) {
      const [run] = atWork(world);
      expect(run?.messageId).toBe(messageId);
      world.cluster.run(run?.jobName ?? "");
      world.cluster.succeed(run?.jobName ?? "");
      await wake(world, run?.jobName ?? "");
    }
    expect(world.open()).toEqual([]);
    await world.send({ messageId: "later" });
    expect(atWork(world)).toMatchObject([{ messageId: "later" }]);
  });

  it("stays empty while the source is held, the cluster is another, or a quota is full", async () => {
    const world = await withLine(2);
    const name = world.jobName();
    world.cluster.succeed(name);
    world.cluster.quotaNext();
    await wake(world, name);
    expect(atWork(world)).toEqual([]);
    expect(world.open()).toHaveLength(2);
    expect(SOURCE).toEqual(world.open()[0]?.source);
  });
});

describe("a light tick", () => {
  it("lists nothing but what is cancelled, and leaves the Jobs at work alone", async () => {
    const world = await withRun();
    world.cluster.deleteJob(world.jobName());
    await world.lightTick();
    expect(world.cluster.calls.get("listJobs")).toBeUndefined();
    expect(world.cluster.calls.get("listPods")).toBeUndefined();
    expect(world.run()).toMatchObject({ status: "dispatched", interruptions: 0 });
    expect(world.lastTick()).toMatchObject({ working: 1 });
    await world.tick();
    expect(world.run()).toMatchObject({ interruptions: 1 });
  });

  it("starts what has come due", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName());
    await world.tick();
    world.clock.advance(10_000);
    await world.lightTick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2 });
  });

  it("takes over the Job of an accepted run, though nothing more of its module starts", async () => {
    const world = makeWorld();
    world.cluster.loseNextReply("create");
    await world.send();
    world.clock.advance(16_000);
    // A new release pauses the module, as before a move to another cluster.
    const paused = world.makeReplica({ modules: new Map([["thumbnail", aModule({ maxActive: 0 })]]) });
    await paused.lightTick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  });

  it("does not believe that an accepted run has no Job", async () => {
    const world = makeWorld();
    world.cluster.failNext("create");
    await world.send();
    world.clock.advance(16_000);
    await world.lightTick();
    expect(world.run()).toMatchObject({ status: "accepted" });
    await world.tick();
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  });

  it("goes on with a verdict", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.broker.failNext("completeDeferred");
    await world.tick();
    expect(world.run().status).toBe("settling");
    await world.lightTick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("ends the Job of a run that a person cancels, whether it runs or waits for its next attempt", async () => {
    const world = await withRun();
    world.cluster.cancel(world.jobName());
    await world.lightTick();
    expect(world.run().endOrdered).toMatchObject({ kind: "cancel" });
    await wake(world, world.jobName());
    expect(world.closed()).toMatchObject([{ status: "cancelled" }]);

    const waiting = await withRun();
    const name = waiting.jobName();
    waiting.cluster.fail(name);
    await waiting.tick();
    waiting.cluster.cancel(name);
    await waiting.lightTick();
    await waiting.lightTick();
    expect(waiting.closed()).toMatchObject([{ status: "cancelled" }]);
  });

  it("does not believe that the Job of a cancelled run is gone", async () => {
    const world = await withRun();
    world.cluster.cancel(world.jobName());
    world.cluster.get = async () => undefined;
    await world.lightTick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  });

  it("lists all the same while the cluster is held", async () => {
    const world = await withRun();
    world.cluster.uid = "another";
    world.clock.advance(11_000);
    await world.lightTick();
    expect(world.cluster.calls.get("listJobs")).toBe(1);
    expect(world.lastTick()).toMatchObject({ held: 1 });
  });

  it("makes the row of a message anew only by a list of the Jobs", async () => {
    const world = await withRun();
    world.table.forget(world.run());
    await world.lightTick();
    expect(world.cluster.calls.get("listJobs")).toBe(1);
    expect(world.run()).toMatchObject({ attempt: 1 });
  });
});
