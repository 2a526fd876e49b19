import { describe, expect, it } from "vitest";
import { makeLog } from "../../../shared/log.ts";
import { acceptLoss } from "../../../shared/operate/accept-loss.ts";
import { BY_HAND } from "../../support/a-person.ts";
import { FakeCluster } from "../../support/fake-cluster.ts";
import { makeWorld, SOURCE, ticks, type World, withRun } from "../../support/world.ts";

const NO_LOG = makeLog({ info: () => {}, warn: () => {}, error: () => {} });
const HOUR_MS = 3_600_000;

it("a lost run whose Job was never recorded does not start that attempt again", async () => {
  const world = makeWorld();
  // The trigger creates the Job and dies before it records it: reply lost.
  world.cluster.loseNextReply("create");
  await world.send();
  const [name = ""] = world.cluster.names();
  world.cluster.run(name);
  world.broker.remove(SOURCE);
  for (let t = 0; t < 6 * 26; t += 1) {
    world.clock.advance(HOUR_MS / 6);
    if (t === 3) world.cluster.succeed(name);
    await world.tick();
  }
  // JOB_RETENTION is over: the cluster removes the Job.
  world.clock.advance(2 * HOUR_MS);
  for (const n of world.cluster.names()) world.cluster.deleteJob(n);
  world.broker.bringBack(SOURCE);
  await ticks(world, () => world.open().some((r) => r.status === "dispatched"));
  expect(world.cluster.names()).not.toContain(name);
});

it("a move to another cluster doesn't start an attempt whose Job was created and never recorded", async () => {
  const world = makeWorld();
  world.cluster.loseNextReply("create"); // killed between create and record: the rollout's SIGKILL
  await world.send();
  const [name = ""] = world.cluster.names();
  world.cluster.run(name);
  const next = new FakeCluster({ clock: world.clock });
  const moved = world.makeReplica({ cluster: next });
  for (let t = 0; t < 30; t += 1) {
    world.clock.advance(10_000);
    await moved.tick();
  }
  expect(next.names()).not.toContain(name);
});

it("a replica frozen for three minutes before its create doesn't start what the new cluster has started", async () => {
  const world = makeWorld();
  const next = new FakeCluster({ clock: world.clock });
  const moved = world.makeReplica({ cluster: next });
  world.cluster.beforeNext("create", async () => {
    for (let t = 0; t < 18; t += 1) {
      world.clock.advance(10_000);
      await moved.tick();
    }
  });
  await world.send();
  expect(world.cluster.names().filter((n) => next.names().includes(n))).toEqual([]);
});

/** A world whose only Job runs, and whose row doesn't say so: the process died between the create and the row. */
async function unrecorded(): Promise<World & { readonly name: string }> {
  const world = makeWorld();
  world.cluster.loseNextReply("create");
  await world.send();
  const [name = ""] = world.cluster.names();
  world.cluster.run(name);
  return { ...world, name };
}

/** The same for attempt 2, which a tick starts: its run waited. */
async function unrecordedRetry(): Promise<World & { readonly name: string }> {
  const world = await withRun();
  world.cluster.fail(world.jobName());
  await ticks(world, () => world.run().status === "waiting");
  world.cluster.loseNextReply("create");
  await ticks(world, () => world.cluster.names().length === 2);
  const [, name = ""] = world.cluster.names();
  world.cluster.run(name);
  return { ...world, name };
}

const CASES = [
  { what: "attempt 1, which a trigger starts", make: unrecorded },
  { what: "attempt 2, which a tick starts", make: unrecordedRetry },
];

describe.each(CASES)("a Job that was created and never recorded: $what", ({ make }) => {
  it("is adopted, though the bus does not show its message just now, and is left at work", async () => {
    const world = await make();
    world.hide(1);
    await ticks(world, () => false, 30_000);
    expect(world.closed()).toEqual([]);
    expect(world.run()).toMatchObject({ status: "dispatched", jobName: world.name });
    expect(world.cluster.job(world.name).spec?.activeDeadlineSeconds).toBeUndefined();
  });

  it("is adopted while its source is held, so that its end is seen when the queue is there again", async () => {
    const world = await make();
    world.broker.remove(SOURCE);
    await ticks(world, () => false, 60_000);
    expect(world.lastTick()).toMatchObject({ held: 1 });
    expect(world.run()).toMatchObject({ status: "dispatched", jobName: world.name });
    world.cluster.succeed(world.name);
    await ticks(world, () => false, 60_000, 5);
    expect(world.run()).toMatchObject({ status: "dispatched" });
    world.broker.bringBack(SOURCE);
    await ticks(world, () => world.open().length === 0);
    expect(world.message(1).state).toBe("completed");
  });

  it("keeps another cluster from being taken, and is adopted when its own cluster answers", async () => {
    const world = await make();
    const next = new FakeCluster({ clock: world.clock });
    const moved = world.makeReplica({ cluster: next });
    await ticks({ ...world, tick: moved.tick }, () => false, 10_000, 60);
    expect(next.names()).toEqual([]);
    await ticks(world, () => world.run().status === "dispatched");
    expect(world.run().jobName).toBe(world.name);
  });
});

it("a source whose messages a person gives up keeps a Job that was never recorded at work", async () => {
  const world = await unrecorded();
  world.broker.remove(SOURCE);
  await ticks(world, () => (world.lastTick()?.["held"] ?? 0) === 1, 1_000);
  expect(world.run().status).toBe("accepted");
  await acceptLoss(world.deps, SOURCE, BY_HAND, NO_LOG);
  await ticks(world, () => world.open().length === 0, 20_000);
  expect(world.closed()).toMatchObject([{ status: "lost", jobName: world.name }]);
  expect(world.cluster.job(world.name).spec?.activeDeadlineSeconds).toBeUndefined();
});

it("a run whose create was sent into the void starts once the tick sees that there is no Job", async () => {
  const world = await withRun();
  world.cluster.fail(world.jobName());
  await ticks(world, () => world.run().status === "waiting");
  world.cluster.failNext("create");
  await ticks(world, () => world.run().status === "accepted");
  await ticks(world, () => world.run().status === "dispatched");
  expect(world.run()).toMatchObject({ attempt: 2, failures: 1, interruptions: 0 });
});
