import { describe, expect, it } from "vitest";
import { DeniedError, UnavailableError } from "../../../shared/errors.ts";
import { makeHousekeeping } from "../../../shared/housekeeping/housekeeping.ts";
import { viewCluster } from "../../../shared/observe/cluster-view.ts";
import { readOpenRuns } from "../../../shared/observe/open-runs.ts";
import { makeEvents } from "../../../shared/telemetry/events.ts";
import { aRun } from "../../support/a-run.ts";
import { makeWorld, SOURCE, type World } from "../../support/world.ts";

const DAY_MS = 86_400_000;

async function withHistory(count: number) {
  const world = makeWorld();
  await world.table.registerSource(SOURCE);
  for (let sequenceNumber = 1; sequenceNumber <= count; sequenceNumber += 1) {
    const run = aRun({ sequenceNumber });
    const stored = await world.table.insert(run);
    await world.table.close(stored, { ...run, status: "succeeded", closedAt: world.clock.now() });
  }
  return world;
}

describe("the history", () => {
  it("is purged once it is older than its retention, and not before", async () => {
    const world = await withHistory(1);
    world.clock.advance(30 * DAY_MS);
    await world.tick();
    expect(world.closed()).toHaveLength(1);
    world.clock.advance(3_600_000);
    await world.tick();
    expect(world.closed()).toHaveLength(0);
  });

  it("does not outgrow the purge, because a full page is followed by another in the next tick", async () => {
    const world = await withHistory(2_500);
    world.clock.advance(31 * DAY_MS);
    for (let tick = 0; tick < 3; tick += 1) await world.tick();
    expect(world.closed()).toHaveLength(0);
    // All is purged, so the next purge comes an hour later.
    world.table.failNext("purge");
    await world.tick();
    expect(world.lastTick()).toMatchObject({ failed: 0 });
  });

  it("leaves the tick finished although the purge fails", async () => {
    const world = await withHistory(1);
    world.table.failNext("purge");
    await world.tick();
    expect(world.lastTick()).toMatchObject({ message: "reconciled", failed: 1 });
    expect((await world.table.lastTick())?.at).toBe(world.clock.now());
  });
});

describe("a body that was stored after its run was over", () => {
  /** A world in which a replica that slept for longer than the run took has stored the body late. */
  async function withLateBody() {
    const world = makeWorld();
    await world.table.registerSource(SOURCE);
    const run = aRun({ bodyInBlob: true });
    await world.table.close(await world.table.insert(run), {
      ...run,
      status: "succeeded",
      closedAt: world.clock.now(),
    });
    await world.tick();
    await world.payloads.putBody(run, Buffer.from("late"));
    return { ...world, late: run };
  }

  it("is deleted within minutes, whether or not the replica that stored it lives", async () => {
    const world = await withLateBody();
    world.clock.advance(60_000);
    await world.tick();
    expect(world.payloads.bodies.size).toBe(0);
  });

  it("is deleted in the next tick if the store was away", async () => {
    const world = await withLateBody();
    world.clock.advance(60_000);
    world.payloads.failNext("deleteBody");
    await world.tick();
    expect([world.lastTick()?.["failed"], world.payloads.bodies.size]).toEqual([1, 1]);
    await world.tick();
    expect(world.payloads.bodies.size).toBe(0);
  });

  it("is deleted although a policy protects the body of another run", async () => {
    const world = await withLateBody();
    const run = aRun({ sequenceNumber: 1, bodyInBlob: true });
    const closed = { ...run, status: "succeeded", closedAt: world.clock.now() } as const;
    await world.table.close(await world.table.insert(run), closed);
    await world.payloads.putBody(run, Buffer.from("protected"));
    const deleteBody: typeof world.payloads.deleteBody = (key, version) =>
      key.sequenceNumber === 1
        ? Promise.reject(new DeniedError("409 BlobImmutableDueToPolicy"))
        : world.payloads.deleteBody(key, version);
    world.clock.advance(60_000);
    await world.makeReplica({ payloads: { ...world.deps.payloads, deleteBody } }).tick();
    expect(world.payloads.bodies.size).toBe(1);
  });

  it("is deleted although the row of another run with a body can't be read", async () => {
    const world = await withLateBody();
    await world.send({ messageId: "odd", body: "x".repeat(20_000) });
    const odd = world.run();
    const { table } = world.deps;
    const replica = world.makeReplica({
      table: {
        ...table,
        atWork: async () => ({ runs: [], newer: [] }),
        find: (key) =>
          key.sequenceNumber === odd.sequenceNumber && key.enqueuedAt === odd.enqueuedAt
            ? Promise.reject(new Error("The row can't be read. Was it edited by hand?"))
            : table.find(key),
      },
    });
    world.clock.advance(60_000);
    await replica.tick();
    expect(world.payloads.bodies.size).toBe(1);
    expect(world.lines).toContainEqual(expect.objectContaining({ message: "left a stored body to a later look" }));
  });

  it("stays if its run's row is missing, because that may be the table's fault", async () => {
    const world = await withLateBody();
    world.table.forget(world.late);
    world.clock.advance(60_000);
    await world.tick();
    expect(world.payloads.bodies.size).toBe(1);
  });

  it("stays if its run was just reopened and has stored it anew", async () => {
    const world = await withLateBody();
    world.clock.advance(60_000);
    world.payloads.beforeNext("deleteBody", () => world.payloads.putBody(world.late, Buffer.from("anew")));
    await world.tick();
    expect([...world.payloads.bodies.values()].map((body) => Buffer.from(body).toString())).toEqual(["anew"]);
  });
});

describe("a body whose run is open", () => {
  it("stays", async () => {
    const world = makeWorld();
    await world.send({ body: "x".repeat(20_000) });
    for (let tick = 0; tick < 3; tick += 1) {
      await world.tick();
      world.clock.advance(60_000);
    }
    expect(world.open()).toHaveLength(1);
    expect(world.payloads.bodies.size).toBe(1);
  });
});

describe("orphaned Jobs", () => {
  /** `count` Jobs of closed runs, as replicas that slept leave them behind, and `unknown` Jobs without a run. */
  async function withOrphans(count: number, unknown: number) {
    const world = makeWorld();
    for (let sent = 0; sent < count + unknown; sent += 1) await world.send();
    const runs = world.open();
    for (const [index, run] of runs.entries()) {
      const found = await world.table.find(run);
      if (found.kind !== "open") throw new Error("the run is not open");
      await world.table.close(found.stored, { ...run, status: "succeeded", closedAt: world.clock.now() });
      if (index >= unknown) continue;
      world.table.forget(run);
      world.hide(run.sequenceNumber);
    }
    return { ...world, orphans: runs.slice(unknown).map(({ jobName }) => jobName ?? "") };
  }

  it("that fail to be retired stop neither the others nor the rest of the tick", async () => {
    const world = await withOrphans(2, 0);
    world.cluster.failNext("retire");
    await world.tick();
    const retired = world.orphans.filter(
      (name) => world.cluster.job(name).metadata?.labels?.["ion/retired"] === "true",
    );
    expect(retired).toHaveLength(1);
    expect(world.lastTick()).toMatchObject({ message: "reconciled", failed: 1 });
  });

  it("are all retired, however many others have to be left alone", async () => {
    const world = await withOrphans(10, 80);
    for (let tick = 0; tick < 5; tick += 1) await world.tick();
    const retired = world.orphans.filter(
      (name) => world.cluster.job(name).metadata?.labels?.["ion/retired"] === "true",
    );
    expect(retired).toHaveLength(10);
  });
});

describe("the sweep", () => {
  it("skips a source without a module and without open runs, because its entity may be gone", async () => {
    const world = makeWorld();
    await world.table.registerSource({ queue: "removed" });
    world.broker.remove({ queue: "removed" });
    await world.tick();
    expect(world.lastTick()).toMatchObject({ message: "reconciled", failed: 0 });
  });

  it("goes on from the message at which its time was over", async () => {
    const world = makeWorld();
    for (let count = 0; count < 10; count += 1) await world.send();
    for (const run of world.open()) world.table.forget(run);
    const find: typeof world.table.find = (key) => {
      world.clock.advance(8_000);
      return key.sequenceNumber <= 5 ? Promise.reject(new UnavailableError("busy")) : world.table.find(key);
    };
    const replica = world.makeReplica({ table: { ...world.table, find } });
    for (let tick = 0; tick < 8; tick += 1) await replica.tick();
    expect(world.open().map(({ sequenceNumber }) => sequenceNumber)).toEqual([6, 7, 8, 9, 10]);
  });
});

it("comes to each of its tasks in the ticks that list, though one of them is slow", async () => {
  const world = makeWorld();
  await world.table.registerSource(SOURCE);
  const slow = { removeEnded: async () => world.clock.advance(31_000) };
  let swept = 0;
  const sweepCursor: World["deps"]["instanceTable"]["sweepCursor"] = (source) => {
    swept += 1;
    return world.deps.instanceTable.sweepCursor(source);
  };
  const deps = { ...world.deps, instanceTable: { ...world.deps.instanceTable, sweepCursor } };
  const housekeeping = makeHousekeeping(deps, slow);
  const sources = { isHeld: () => false, entityMissing: () => {} };
  const tick = async (isLight: boolean) =>
    housekeeping.keep(
      await readOpenRuns(deps, async () => ({ runs: [], newer: [] })),
      { isLight, view: () => viewCluster(deps), sources },
      makeEvents(world.log),
    );
  for (let before = 0; before < 3; before += 1) await tick(true);
  for (let minute = 0; minute < 6; minute += 1) {
    await tick(false);
    for (let light = 0; light < 5; light += 1) await tick(true);
  }
  expect(swept).toBeGreaterThan(0);
});
