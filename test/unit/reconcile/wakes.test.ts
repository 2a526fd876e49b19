import { describe, expect, it } from "vitest";
import { ConflictError } from "../../../shared/errors.ts";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, SOURCE, type World, withRun } from "../../support/world.ts";

describe("a wake", () => {
  it("settles a message whose Job is complete, without any list", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    expect(await world.wake(name)).toBe(false);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.message(1).state).toBe("completed");
    expect(world.cluster.calls.get("listJobs")).toBeUndefined();
    expect(world.lines.at(-1)).toMatchObject({ message: "watched", woken: 1, completed: 1, failed: 0 });
  });

  it("requeues a message whose Job failed, for the reason that a look finds", async () => {
    const world = await withRun();
    world.cluster.fail(world.jobName(), 3);
    expect(await world.wake(world.jobName())).toBe(false);
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2, failures: 1 });
    expect(world.run().lastError).toMatch(/exit code 3|code 3/);
  });

  it("cancels the run of a failed Job that a person labelled", async () => {
    const world = await withRun();
    world.cluster.cancel(world.jobName());
    world.cluster.fail(world.jobName());
    await world.wake(world.jobName());
    expect(world.closed()).toMatchObject([{ status: "cancelled" }]);
  });

  it("looks at a Job of which the server says an unknown word, and leaves it at work", async () => {
    const world = await withRun();
    world.cluster.printUnknown(world.jobName(), "Dreaming");
    expect(await world.wake(world.jobName())).toBe(false);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  });

  it("never believes that a Job is absent: a tick that lists finds out", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.printUnknown(name, "Dreaming");
    const get = world.cluster.get.bind(world.cluster);
    // Another API server answers, whose cache is behind.
    world.cluster.get = async () => undefined;
    expect(await world.wake(name)).toBe(true);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1, interruptions: 0 });
    world.cluster.get = get;
    expect(await world.wake(name)).toBe(false);
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
    expect(await world.wake(name)).toBe(true);
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
    expect(await world.wake(first)).toBe(false);
    expect(world.run()).toEqual(before);
  });

  it("of a run that is closed changes nothing", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    await world.tick();
    expect(await world.wake(name, name)).toBe(false);
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
    await world.wake(name);
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
        heard = await world.wake(name);
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
    await world.wake(name, name, name);
    expect(world.cluster.calls.get("pods")).toBe(1);
    expect(world.closed()).toHaveLength(1);
  });

  it("settles once if a tick has the run at the same time, and two replicas hear of it", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    await Promise.all([world.tick(), world.wake(name), world.makeReplica().wake(name)]);
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.message(1).state).toBe("completed");
  });

  it("that fails is left to a tick that lists", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    world.cluster.failNext("pods");
    expect(await world.wake(name)).toBe(true);
    world.broker.failNext("completeDeferred");
    expect(await world.wake(name)).toBe(true);
    expect(world.run()).toMatchObject({ status: "settling" });
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  /** What the cluster was asked, by the names of the calls, without the looks which cluster it is. */
  function asked(world: World): Record<string, number> {
    const { namespaceUid: _, ...calls } = Object.fromEntries(world.cluster.calls);
    return calls;
  }

  it("costs four requests in the life of a message whose Job succeeds", async () => {
    const world = await withRun();
    world.cluster.setLog(world.jobName(), "worker", "done");
    world.cluster.succeed(world.jobName());
    await world.wake(world.jobName());
    expect(world.closed()).toMatchObject([{ status: "succeeded", logsUrl: expect.any(String) }]);
    expect(asked(world)).toEqual({ create: 1, pods: 1, log: 1, retire: 1 });
  });

  it("glances at a Job that another replica started since the last tick, to learn which run it names", async () => {
    const world = await withRun();
    const other = world.makeReplica();
    const name = world.jobName();
    world.cluster.succeed(name);
    const glance = world.cluster.glance.bind(world.cluster);
    // Another API server answers, whose cache is behind.
    world.cluster.glance = async () => undefined;
    expect(await other.wake(name)).toBe(true);
    expect(world.run()).toMatchObject({ status: "dispatched" });
    world.cluster.glance = glance;
    expect(await other.wake(name)).toBe(false);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(asked(world)).toMatchObject({ create: 1, glance: 1, pods: 1, retire: 1 });
  });

  it("knows the Jobs of the runs that the last tick read", async () => {
    const world = await withRun();
    const other = world.makeReplica();
    await other.lightTick();
    world.cluster.succeed(world.jobName());
    await other.wake(world.jobName());
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
    expect(world.cluster.calls.get("glance")).toBeUndefined();
  });

  it("costs five requests in an attempt that fails, because only the Job itself tells why", async () => {
    const world = await withRun();
    world.cluster.setLog(world.jobName(), "worker", "failed");
    world.cluster.fail(world.jobName());
    await world.wake(world.jobName());
    expect(world.run()).toMatchObject({ status: "waiting", attempt: 2, logsUrl: expect.any(String) });
    expect(asked(world)).toEqual({ create: 1, get: 1, pods: 1, log: 1, retire: 1 });
  });

  it("does not believe a watch that calls a Job complete which is at work", async () => {
    const world = await withRun();
    const name = world.jobName();
    await world.wake({ name, state: "complete" });
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  });

  it("does not take the pod of another Job with the name for the attempt's", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    const told = world.cluster.newsOf(name);
    world.cluster.deleteJob(name);
    world.cluster.addForeign(name);
    world.cluster.run(name);
    world.cluster.succeed(name);
    await world.wake(told);
    expect(world.closed()).toEqual([]);
    expect(world.run()).toMatchObject({ attempt: 2, interruptions: 1 });
    expect(world.cluster.job(name).metadata?.labels?.["ion/retired"]).toBeUndefined();
  });

  it("keeps the name of a Job taken for the whole time that the setting says, however long the Job ran", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.clock.advance(5 * 3_600_000);
    world.cluster.succeed(name);
    world.clock.advance(60_000);
    await world.wake(name);
    expect(world.closed()).toHaveLength(1);
    world.clock.advance(world.deps.jobRetentionMs);
    expect(world.cluster.names()).toEqual([name]);
    world.clock.advance(5 * 3_600_000 + 60_000);
    expect(world.cluster.names()).toEqual([]);
  });

  it("does nothing in another cluster", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    world.cluster.uid = "another";
    await world.makeReplica().wake(name);
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
    await world.wake(name);
    expect(world.closed()).toHaveLength(1);
    expect(atWork(world)).toMatchObject([{ messageId: "next-1" }]);
  });

  it("moves with the write that freed it: of two replicas that hear of the end, one fills it", async () => {
    const world = await withLine(3);
    const other = world.makeReplica();
    await other.tick();
    const name = world.jobName();
    world.cluster.succeed(name);
    await Promise.all([world.wake(name), other.wake(name)]);
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
      await world.wake(run?.jobName ?? "");
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
    await world.wake(name);
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

  it("that can't look for the Job of an accepted run breaks off, and the next one looks", async () => {
    const world = makeWorld();
    world.cluster.loseNextReply("create");
    await world.send();
    world.clock.advance(16_000);
    world.cluster.failNext("glance");
    await world.lightTick();
    expect(world.lastTick()).toMatchObject({ message: "reconcile is held up" });
    expect(world.run()).toMatchObject({ status: "accepted" });
    await world.lightTick();
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
    await world.wake(world.jobName());
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

  it("leaves a message without a row to a tick that lists the Jobs", async () => {
    const world = await withRun();
    await world.tick();
    world.table.forget(world.run());
    await world.lightTick();
    expect(world.open()).toEqual([]);
    await world.tick();
    expect(world.run()).toMatchObject({ attempt: 1 });
  });
});
