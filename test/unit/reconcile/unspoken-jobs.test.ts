import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, ticks, type World } from "../../support/world.ts";

const statusOf = (world: World, messageId: string) =>
  world.open().find((run) => run.messageId === messageId)?.status ?? "closed";

/**
 * A world with one slot, which message `a` has. A replica that died has created the Job of `b`, whose row still waits in
 * line.
 */
async function withUnspokenJob(over = {}) {
  const world = makeWorld([aModule({ retry: RETRY, maxActive: 1 })], over);
  await world.send({ messageId: "b" });
  const found = await world.table.find(world.run());
  if (found.kind !== "open") throw new Error("the run is not open");
  const name = world.jobName();
  const { run } = found.stored;
  const { jobName: _, jobUid: __, dispatchedAt: ___, jobOverdueAt: ____, ...rest } = run;
  await world.table.update(found.stored, { ...rest, status: "waiting", notBefore: world.clock.now() });
  world.clock.advance(60_000);
  // It sees nobody in line.
  const other = world.makeReplica({ table: { ...world.table, line: async () => [] } });
  await other.accept(world.broker.deliver({ queue: "thumbnails" }, { messageId: "a", body: "{}" }));
  return { ...world, name };
}

describe("a Job whose run waits in line for a slot", () => {
  it("is adopted by the next tick, though no slot is free", async () => {
    const world = await withUnspokenJob();
    world.cluster.run(world.name);
    await world.tick();
    expect(statusOf(world, "b")).toBe("dispatched");
    world.cluster.succeed(world.name);
    await ticks(world, () => statusOf(world, "b") === "closed");
    expect(world.message(1).state).toBe("completed");
    expect(world.cluster.creates).toHaveLength(2);
  });

  it("is adopted though its module was removed", async () => {
    const world = await withUnspokenJob();
    world.cluster.succeed(world.name);
    const replica = world.makeReplica({ modules: new Map() });
    await ticks({ ...world, tick: replica.tick }, () => statusOf(world, "b") === "closed");
    expect(world.message(1).state).toBe("completed");
  });

  it("is adopted in a later tick if it can't be read now", async () => {
    const world = await withUnspokenJob();
    world.cluster.failNext("get");
    await world.tick();
    expect(world.lastTick()).toMatchObject({ message: "reconciled", failed: 1 });
    await world.tick();
    expect(statusOf(world, "b")).toBe("dispatched");
  });

  it("takes a slot, so that one replica keeps to maxActive", async () => {
    const world = makeWorld([aModule({ retry: RETRY, maxActive: 1 })]);
    await world.send({ messageId: "first" });
    await world.send({ messageId: "second" });
    const found = await world.table.find(world.open()[0] ?? world.run());
    if (found.kind !== "open") throw new Error("the run is not open");
    const { jobName: _, jobUid: __, dispatchedAt: ___, jobOverdueAt: ____, ...rest } = found.stored.run;
    // The row that says so comes later in line than another one.
    await world.table.update(found.stored, { ...rest, status: "waiting", notBefore: world.clock.now() + 60_000 });
    await world.makeReplica().tick();
    expect(world.cluster.creates).toHaveLength(1);
    expect([statusOf(world, "first"), statusOf(world, "second")]).toEqual(["dispatched", "waiting"]);
  });
});

describe("a label that cancels a run that waits", () => {
  it.each([
    { where: "for its back-off", notBefore: 60_000 },
    { where: "in line, behind others", notBefore: 0 },
  ])("cancels it in the same tick: $where", async ({ notBefore }) => {
    const world = makeWorld([aModule({ retry: RETRY, maxActive: 1 })]);
    await world.send({ messageId: "a" });
    const name = world.jobName();
    world.cluster.run(name);
    world.cluster.fail(name);
    await world.tick();
    const found = await world.table.find(world.run());
    if (found.kind !== "open") throw new Error("the run is not open");
    await world.table.update(found.stored, { ...found.stored.run, notBefore: world.clock.now() + notBefore });
    await world.send({ messageId: "b" });
    world.cluster.cancel(name);
    await world.tick();
    expect(world.message(1).letter?.reason).toBe("Cancelled");
    expect(world.cluster.names().filter((one) => one.endsWith("-2"))).toEqual([]);
  });

  it("costs a tick nothing once the run is closed", async () => {
    const world = makeWorld();
    await world.send();
    const name = world.jobName();
    world.cluster.cancel(name);
    await ticks(world, () => world.open().length === 0);
    await world.tick();
    const before = world.cluster.calls.get("get") ?? 0;
    await world.tick();
    expect(world.cluster.calls.get("get") ?? 0).toBe(before);
  });
});

describe("a replica that created a Job and finds its row changed", () => {
  it("records the Job on the fresh row if the run waits for that attempt, though no slot is free", async () => {
    const world = makeWorld([aModule({ retry: RETRY, maxActive: 1 })]);
    // While the Job is created, a tick of another replica gives the message up as one that its trigger died over.
    world.cluster.beforeNext("create", async () => {
      const found = await world.table.find(world.run());
      if (found.kind !== "open") throw new Error("the run is not open");
      await world.table.update(found.stored, { ...found.stored.run, status: "waiting", notBefore: world.clock.now() });
    });
    expect((await world.send()).outcome).toBe("dispatched");
    expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
  });
});
