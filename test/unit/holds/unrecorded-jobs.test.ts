import { expect, it } from "vitest";
import { FakeCluster } from "../../support/fake-cluster.ts";
import { makeWorld, SOURCE, ticks } from "../../support/world.ts";

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
