import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../shared/errors.ts";
import { aModule } from "../../support/a-module.ts";
import { aRun } from "../../support/a-run.ts";
import { FakeCluster } from "../../support/fake-cluster.ts";
import { makeWorld, RETRY, SOURCE, ticks, type World, withRun } from "../../support/world.ts";

/** A world whose messages all have their Jobs at work. */
async function withJobs(count: number, uid?: { readonly uid: string | undefined }): Promise<World> {
  const world = makeWorld();
  if (uid) world.cluster.uid = uid.uid;
  for (let sent = 0; sent < count; sent += 1) await world.send();
  for (const name of world.cluster.names()) world.cluster.run(name);
  return world;
}

/** An empty cluster: another one, unless its uid is given. */
const another = (world: World, uid?: { readonly uid: string | undefined }) =>
  new FakeCluster({ clock: world.clock, ...uid });

const errors = ({ lines }: World) => lines.filter(({ level }) => level === "error").map(({ message }) => message);
const deliver = ({ broker }: World) => broker.deliver(SOURCE, { body: Buffer.from("{}") });
const record = async ({ table }: World) => (await table.cluster())?.record;

const ELSEWHERE = "saw another cluster than the jobs are in; nothing is started, judged or retired";
const MISSING = "too many jobs are missing at once to believe it: is this the right cluster and namespace?";

describe("another cluster", () => {
  it("judges and starts nothing, however few Jobs are at work, and raises an alarm", async () => {
    const world = await withJobs(9);
    const wrong = another(world);
    const misled = world.makeReplica({ cluster: wrong });
    for (let tick = 0; tick < 3; tick += 1) {
      await misled.tick();
      world.clock.advance(10_000);
    }
    expect(wrong.names()).toEqual([]);
    expect(world.open().map(({ attempt, status }) => `${attempt} ${status}`)).toEqual(Array(9).fill("1 dispatched"));
    expect(errors(world)).toEqual([ELSEWHERE, ELSEWHERE, ELSEWHERE]);
    expect(world.lastTick()).toMatchObject({ message: "reconciled", held: 1, waiting: { "wrong-cluster": 9 } });
  });

  it("gets no Job from a trigger either, in a replica that never ticked", async () => {
    const world = await withRun();
    const wrong = another(world);
    const misled = world.makeReplica({ cluster: wrong });
    expect(await misled.accept(deliver(world))).toBe("waiting");
    expect(wrong.creates).toEqual([]);
    expect(errors(world)).toEqual([ELSEWHERE]);
    expect(world.lines.at(-1)).toMatchObject({ message: "handled a delivery", held: 1 });
  });

  it("is noticed by a trigger ten seconds after its last look at the right one", async () => {
    const world = await withRun();
    world.cluster.uid = "another";
    world.clock.advance(10_001);
    expect((await world.send()).outcome).toBe("waiting");
  });

  it("retires no Job and settles no message, although the verdict is recorded", async () => {
    const world = await withRun();
    const name = world.jobName();
    world.cluster.succeed(name);
    world.cluster.failNext("retire");
    await world.tick();
    expect(world.run().status).toBe("settling");
    await world.send();
    world.cluster.uid = "another";
    for (let tick = 0; tick < 3; tick += 1) await world.tick();
    expect(world.cluster.job(name).metadata?.labels).not.toHaveProperty(["ion/retired"]);
    expect(world.open()).toHaveLength(2);
  });

  it("is left behind as soon as the right one is seen again", async () => {
    const world = await withJobs(3);
    const misled = world.makeReplica({ cluster: another(world) });
    await misled.tick();
    await misled.accept(deliver(world));
    for (const name of world.cluster.names()) world.cluster.succeed(name);
    await ticks(world, () => world.open().length === 1);
    expect(world.closed()).toHaveLength(3);
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1, interruptions: 0 });
  });

  it("is compared last, so that a list of it does not pass for ours", async () => {
    const world = await withRun();
    const right = world.cluster.uid;
    const listJobs = world.cluster.listJobs.bind(world.cluster);
    world.cluster.listJobs = async () => {
      await listJobs();
      world.cluster.uid = "another";
      return { jobs: [], version: "0" };
    };
    const name = world.jobName();
    world.cluster.deleteJob(name);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", interruptions: 0 });
    Reflect.deleteProperty(world.cluster, "listJobs");
    world.cluster.uid = right;
    await world.tick();
    expect(world.run()).toMatchObject({ interruptions: 1 });
  });

  it("holds everything up, as an outage, while its uid can't be read", async () => {
    const world = await withRun();
    world.cluster.deleteJob(world.jobName());
    world.cluster.failNext("namespaceUid", new UnavailableError("no answer"));
    await world.tick();
    expect(world.lastTick()).toMatchObject({ message: "reconcile is held up", why: "no answer" });
    expect(world.run()).toMatchObject({ status: "dispatched", interruptions: 0 });
    const other = world.makeReplica();
    world.cluster.failNext("namespaceUid", new UnavailableError("no answer"));
    expect(await other.accept(deliver(world))).toBe("waiting");
    expect(world.message(2).state).toBe("deferred");
    expect(world.cluster.names()).toEqual([]);
  });
});

describe("the cluster's record", () => {
  it("takes the first uid that a replica sees, also while Jobs of an earlier version are at work", async () => {
    const world = makeWorld();
    await world.table.insert(aRun({ source: SOURCE, status: "dispatched", jobName: "j" }));
    await world.table.registerSource(SOURCE);
    await world.tick();
    expect(await record(world)).toEqual({ uid: world.cluster.uid, namespace: "jobs" });
    expect(errors(world)).toEqual([]);
  });

  it("takes the first uid that can be read, once a right to read it is there", async () => {
    const world = makeWorld();
    world.cluster.uid = undefined;
    await world.tick();
    expect(await record(world)).toEqual({ namespace: "jobs" });
    world.cluster.uid = "here";
    await world.tick();
    expect(await record(world)).toEqual({ uid: "here", namespace: "jobs" });
  });

  it("is written once, and no more as long as nothing changes", async () => {
    const world = await withRun();
    const etag = (await world.table.cluster())?.etag;
    for (let tick = 0; tick < 5; tick += 1) await world.tick();
    expect((await world.table.cluster())?.etag).toBe(etag);
  });

  it("is read again if another replica changes it meanwhile", async () => {
    const world = makeWorld();
    const other = world.makeReplica({ cluster: another(world) });
    world.table.beforeNext("saveCluster", () => other.tick());
    await world.tick();
    expect((await record(world))?.uid).not.toBe(world.cluster.uid);
  });
});

describe("a change of the cluster while no Job is at work", () => {
  it("is taken after two minutes, in which nothing starts, and is said", async () => {
    const world = makeWorld();
    await world.tick();
    const next = another(world);
    const moved = world.makeReplica({ cluster: next, namespace: "new" });
    await moved.tick();
    world.clock.advance(10_001);
    // A trigger that still sees the old cluster starts nothing there any more.
    expect((await world.send()).outcome).toBe("waiting");
    world.clock.advance(109_000);
    await moved.tick();
    expect([...world.cluster.names(), ...next.names()]).toEqual([]);
    world.clock.advance(1_000);
    await moved.tick();
    expect(await record(world)).toEqual({ uid: next.uid, namespace: "new" });
    expect(next.names()).toHaveLength(1);
    expect(errors(world)).toEqual([]);
    expect(world.lines).toContainEqual(
      expect.objectContaining({
        message: "took another cluster for the jobs, because none was at work in the old one",
        namespace: "new",
        recordedNamespace: "jobs",
      }),
    );
  });

  it("is not planned while a start is under way, because its Job may exist before its row says so", async () => {
    const world = makeWorld();
    await world.tick();
    const moved = world.makeReplica({ cluster: another(world) });
    const putBody = world.payloads.putBody.bind(world.payloads);
    world.payloads.putBody = async (...args) => {
      world.payloads.putBody = putBody;
      await moved.tick();
      world.clock.advance(10_001);
      await putBody(...args);
    };
    expect((await world.send({ body: "a".repeat(20_000) })).outcome).toBe("dispatched");
    expect((await record(world))?.next).toBeUndefined();
  });

  it("is given up if the right to read the namespace is taken away, and keeps nothing from starting then", async () => {
    const world = makeWorld();
    await world.tick();
    await world.makeReplica({ cluster: another(world) }).tick();
    expect(world.lastTick()).toMatchObject({ held: 1 });
    world.cluster.uid = undefined;
    await world.tick();
    expect((await record(world))?.next).toBeUndefined();
    expect((await world.send()).outcome).toBe("dispatched");
  });

  it("is given up as soon as a tick sees the old one, so that a visitor never takes over", async () => {
    const world = makeWorld();
    await world.tick();
    const visitor = world.makeReplica({ cluster: another(world) });
    for (let tick = 0; tick < 30; tick += 1) {
      await visitor.tick();
      await world.tick();
      world.clock.advance(10_000);
    }
    expect(await record(world)).toEqual({ uid: world.cluster.uid, namespace: "jobs" });
    expect((await world.send()).outcome).toBe("dispatched");
  });

  it("is given up if a Job turns out to be at work in the old one", async () => {
    const world = makeWorld();
    await world.tick();
    const moved = world.makeReplica({ cluster: another(world) });
    await moved.tick();
    // It looked at the cluster a moment before the other one was seen.
    expect((await world.send()).outcome).toBe("dispatched");
    world.clock.advance(120_000);
    await moved.tick();
    expect(await record(world)).toEqual({ uid: world.cluster.uid, namespace: "jobs" });
    expect(errors(world)).toEqual([ELSEWHERE]);
  });
});

describe("without the right to read the namespace", () => {
  const unknown = { uid: undefined };

  it("many Jobs that are missing hold the triggers of all replicas, and newer Jobs change nothing about that", async () => {
    const world = await withJobs(12, unknown);
    const wrong = another(world, unknown);
    const withTimer = world.makeReplica({ cluster: wrong });
    const withoutTimer = world.makeReplica({ cluster: wrong });
    await withTimer.tick();
    expect(errors(world)).toEqual([MISSING]);
    for (let sent = 0; sent < 50; sent += 1) {
      world.clock.advance(11_000);
      await withTimer.tick();
      expect(await withoutTimer.accept(deliver(world))).toBe("waiting");
    }
    expect(wrong.creates).toEqual([]);
    // Jobs that an earlier version, which knows of no hold, starts meanwhile.
    for (let sequenceNumber = 101; sequenceNumber < 201; sequenceNumber += 1) {
      const name = `newer-${sequenceNumber}`;
      const run = aRun({ source: SOURCE, sequenceNumber, status: "dispatched", jobName: name });
      await world.table.insert({ ...run, dispatchedAt: world.clock.now() });
    }
    const listJobs = wrong.listJobs.bind(wrong);
    wrong.listJobs = async () => {
      const newer = Array.from({ length: 100 }, (_, index) => ({
        name: `newer-${index + 101}`,
        state: "active" as const,
      }));
      const { jobs, version } = await listJobs();
      return { jobs: [...jobs, ...newer], version };
    };
    await withTimer.tick();
    expect(world.lastTick()).toMatchObject({ held: 1, waiting: { "wrong-cluster": expect.any(Number) } });
    const first = world.open().filter(({ sequenceNumber }) => sequenceNumber <= 12);
    expect(first.map(({ attempt, status }) => `${attempt} ${status}`)).toEqual(Array(12).fill("1 dispatched"));
  });

  it("Jobs are counted over all sources", async () => {
    const sources = Array.from({ length: 20 }, (_, index) => ({ queue: `q-${index}` }));
    const world = makeWorld(sources.map((source, index) => aModule({ name: `m-${index}`, source, retry: RETRY })));
    world.cluster.uid = undefined;
    for (const source of sources) {
      await world.table.registerSource(source);
      for (let sequenceNumber = 1; sequenceNumber <= 9; sequenceNumber += 1)
        await world.table.insert(aRun({ source, sequenceNumber, status: "dispatched", jobName: "gone" }));
    }
    await world.tick();
    expect(errors(world)).toEqual([MISSING]);
    expect(world.lastTick()).toMatchObject({ waiting: { "wrong-cluster": 180 } });
    expect(world.cluster.creates).toEqual([]);
  });

  it("fewer than ten are believed to be gone", async () => {
    const world = await withJobs(9, unknown);
    await world.makeReplica({ cluster: another(world, unknown) }).tick();
    expect(world.open().every(({ interruptions }) => interruptions === 1)).toBe(true);
  });
});

describe("a cluster whose Jobs are missing, though it is the recorded one", () => {
  it("is doubted until the Jobs are seen again, also by replicas that are started meanwhile", async () => {
    const world = await withJobs(12);
    const restored = another(world, { uid: world.cluster.uid });
    await world.makeReplica({ cluster: restored }).tick();
    const since = (await record(world))?.doubtedSince;
    expect(since).toBe(world.clock.now());
    world.clock.advance(60_000);
    const fresh = world.makeReplica({ cluster: restored });
    expect(await fresh.accept(deliver(world))).toBe("waiting");
    await fresh.tick();
    expect((await record(world))?.doubtedSince).toBe(since);
    await world.tick();
    expect(await record(world)).toEqual({ uid: world.cluster.uid, namespace: "jobs" });
    expect(world.cluster.names()).toHaveLength(13);
  });
});
