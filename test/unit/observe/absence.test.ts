import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { FakeCluster } from "../../support/fake-cluster.ts";
import { LOCK_MS, makeWorld, RETRY, SOURCE, ticks, type World, withRun } from "../../support/world.ts";

/** A world whose Job has failed, and whose peek misses the message just when the next attempt would start. */
async function withDoubt(): Promise<World> {
  const world = await withRun();
  world.cluster.fail(world.jobName());
  await world.tick();
  world.hide(1);
  world.clock.advance(5_000);
  await world.tick();
  return world;
}

describe("the slow belief in absence", () => {
  it("does not call a Job deleted only because one list lacks it", async () => {
    const world = await withRun();
    world.cluster.listJobs = () => Promise.resolve({ jobs: [], version: "0" });
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", interruptions: 0 });
  });

  it("does not call a Job deleted if the row moved on while the tick looked for the Job", async () => {
    const world = await withRun();
    const name = world.jobName();
    const other = world.makeReplica();
    world.cluster.listJobs = () => Promise.resolve({ jobs: [], version: "0" });
    const get = world.cluster.get.bind(world.cluster);
    world.cluster.get = async (asked) => {
      // Another replica sees the Job's end, and its TTL removes the Job.
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

  it("does not miss Jobs that a wake retired between the rows and the list", async () => {
    const world = makeWorld([aModule({ retry: RETRY })]);
    for (let n = 0; n < 12; n += 1) await world.send();
    const names = world.cluster.names();
    for (const name of names) world.cluster.succeed(name);
    const listJobs = world.cluster.listJobs.bind(world.cluster);
    world.cluster.listJobs = async () => {
      const wakes = world.openWakes();
      for (const name of names) wakes.wake(world.cluster.newsOf(name));
      while (world.closed().length < names.length) await new Promise((resolve) => setTimeout(resolve, 5));
      await wakes.close();
      return listJobs();
    };
    await world.tick();
    expect(world.lines.filter(({ level }) => level === "error")).toEqual([]);
    expect((await world.send()).outcome).toBe("dispatched");
  });

  it("calls a message gone only after two peeks a lock duration apart missed it and the broker said MessageNotFound", async () => {
    const world = await withDoubt();
    expect(world.run().absentSince).toBe(world.clock.now());
    await world.tick();
    world.clock.advance(LOCK_MS - 1);
    await world.tick();
    expect(world.open()).toHaveLength(1);
    world.clock.advance(1);
    await world.tick();
    expect(world.closed()).toMatchObject([{ status: "lost" }]);
  });

  it("forgets its doubt once it sees the message again", async () => {
    const world = await withDoubt();
    world.show(1);
    await ticks(world, () => world.run().status === "dispatched", LOCK_MS);
    expect(world.run()).not.toHaveProperty("absentSince");
  });

  it("closes the run by its verdict a lock duration later if the settlement's reply was lost", async () => {
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

  it("waits while another receiver has the message locked, twice as long each time", async () => {
    const world = await withRun();
    world.cluster.succeed(world.jobName());
    world.broker.lockDeferred(SOURCE, 1);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "settling", busyCount: 1, notBefore: world.clock.now() + 10_000 });
    world.clock.advance(10_000);
    await world.tick();
    expect(world.run()).toMatchObject({ busyCount: 2, notBefore: world.clock.now() + 20_000 });
    world.broker.lapseLocks(SOURCE);
    await ticks(world, () => world.open().length === 0);
    expect(world.closed()).toMatchObject([{ status: "succeeded" }]);
  });

  it("judges no Job if many vanish at once, and starts none, because this is the wrong cluster", async () => {
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

  it("starts no message that arrives while it sees the wrong cluster, and starts it in the right one", async () => {
    const world = makeWorld();
    for (let count = 0; count < 12; count += 1) await world.send();
    const empty = new FakeCluster({ clock: world.clock });
    const misled = world.makeReplica({ cluster: empty });
    await misled.tick();
    await misled.accept(world.broker.deliver(SOURCE, { messageId: "m-13", body: Buffer.from("{}") }));
    await misled.tick();
    expect(empty.names()).toEqual([]);
    expect(world.lastTick()).toMatchObject({ waiting: { "wrong-cluster": 13 } });
    await world.tick();
    expect(world.cluster.names()).toHaveLength(13);
  });
});
