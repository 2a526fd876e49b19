import { describe, expect, it } from "vitest";
import type { Run } from "../../../shared/run/run.ts";
import { aModule } from "../../support/a-module.ts";
import { FakeCluster } from "../../support/fake-cluster.ts";
import { makeFakeRunTable } from "../../support/fake-run-table.ts";
import { LOCK_MS, makeWorld, RETRY, SOURCE, type World } from "../../support/world.ts";

/** A second instance on the source of a world's, by mistake: it has a table and a cluster of its own. */
function intruderIn(world: World) {
  const table = makeFakeRunTable({ clock: world.clock, owner: "owner-2" });
  const cluster = new FakeCluster({ clock: world.clock });
  const replica = world.makeReplica({ tables: table, cluster });
  return { ...replica, table, cluster };
}

type Intruder = ReturnType<typeof intruderIn>;

/** Makes the next row of a message's run by hand. */
async function rewrite({ table }: Intruder, change: (run: Run) => Partial<Run>): Promise<void> {
  const [run] = table.rows().open;
  const found = run && (await table.find(run));
  if (found?.kind !== "open") throw new Error("no run is open");
  await table.update(found.stored, { ...found.stored.run, ...change(found.stored.run) });
}

/** The intruder received a message and died before it deferred it. The world's instance has started its Job by now. */
async function overtaken(change: (run: Run) => Partial<Run> = () => ({})) {
  const world = makeWorld([aModule({ retry: RETRY })]);
  const intruder = intruderIn(world);
  world.broker.failNext("defer");
  expect(await intruder.accept(world.broker.deliver(SOURCE))).toBe("left");
  await rewrite(intruder, change);
  expect(await world.accept(world.redeliver())).toBe("dispatched");
  world.cluster.run(world.jobName());
  world.clock.advance(60_000);
  return { world, intruder };
}

/** Lets the world's instance complete the message, and both go on until nothing is left to do. */
async function toTheEnd({ world, intruder }: Awaited<ReturnType<typeof overtaken>>): Promise<void> {
  world.cluster.succeed(world.jobName());
  for (let tick = 0; tick < 6; tick += 1) {
    await world.tick();
    await intruder.tick();
    world.clock.advance(LOCK_MS);
  }
}

const REJECTED: Partial<Run> = {
  status: "settling",
  verdict: { outcome: "rejected", reason: "DispatchRejected", description: "it fits no module" },
};
const CANCELLED: Partial<Run> = {
  status: "settling",
  verdict: { outcome: "cancelled", reason: "Cancelled", description: "cancelled by hand" },
};

const RUNS: readonly { readonly status: string; readonly row: Partial<Run>; readonly end: string }[] = [
  { status: "accepted", row: {}, end: "lost" },
  { status: "waiting", row: { status: "waiting" }, end: "lost" },
  { status: "held", row: { status: "held", module: "" }, end: "lost" },
  { status: "rejected", row: REJECTED, end: "rejected" },
  { status: "cancelled", row: CANCELLED, end: "cancelled" },
];

describe("two instances on one source", () => {
  it.each(RUNS)("a run that is $status leaves its message to the instance that deferred it", async ({ row, end }) => {
    const both = await overtaken(() => row);
    const { world, intruder } = both;
    await intruder.tick();
    expect(world.lastTick()).toMatchObject({ waiting: { "another-instance": 1 }, failed: 0 });
    expect(intruder.cluster.creates).toEqual([]);
    expect(world.message(1)).toMatchObject({ state: "deferred", properties: { "dispatcher-owner": "owner-1" } });
    await toTheEnd(both);
    expect(world.message(1).state).toBe("completed");
    expect(world.closed()).toMatchObject([{ status: "succeeded", attempt: 1 }]);
    expect(intruder.table.rows()).toMatchObject({ open: [], closed: [{ status: end }] });
  });

  it("a delivery whose lock was over is left, if the other instance has deferred the message meanwhile", async () => {
    const world = makeWorld();
    const intruder = intruderIn(world);
    // The first deferral is the intruder's. The world's comes between, when the lock of the first one is over.
    world.broker.beforeNext("defer", async () => expect(await world.accept(world.redeliver())).toBe("dispatched"));
    expect(await intruder.accept(world.broker.deliver(SOURCE))).toBe("left");
    expect(intruder.cluster.creates).toEqual([]);
    expect(world.cluster.creates).toHaveLength(1);
  });

  it("a message whose stamp had no space stays its own instance's, whatever owner its sender forged", async () => {
    const properties = {
      "dispatcher-owner": "forged",
      a: "x".repeat(31_000),
      b: "y".repeat(31_000),
      c: "z".repeat(2_950),
    };
    const world = makeWorld();
    world.cluster.failNext("create");
    await world.send({ properties });
    world.clock.advance(20_000);
    await world.tick();
    await world.tick();
    expect(world.run().status).toBe("dispatched");
    world.cluster.fail(world.jobName());
    await world.tick();
    world.clock.advance(10_000);
    await world.tick();
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2 });
    expect(world.message(1).properties).toEqual({ ...properties, "dispatcher-owner": "" });
  });
});
