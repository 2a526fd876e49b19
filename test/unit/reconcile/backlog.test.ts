import { describe, expect, it } from "vitest";
import type { Module } from "../../../shared/modules/module.ts";
import type { RunTable } from "../../../shared/ports/run-table.ts";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, SOURCE, ticks, type World } from "../../support/world.ts";

/** A world with so many messages, of which as many are at work as its module has slots. */
async function withBacklog(messages: number, over: Partial<Module> = {}): Promise<World> {
  const world = makeWorld([aModule({ retry: RETRY, maxActive: 2, ...over })]);
  for (let number = 1; number <= messages; number += 1) {
    world.clock.advance(1);
    await world.send({ messageId: `m-${number}` });
  }
  return world;
}

/** Counts the rows that a replica is given by the table's lists. */
function countRows(table: RunTable) {
  const counts = { rows: 0 };
  const counted: RunTable = {
    ...table,
    async atWork(source) {
      const found = await table.atWork(source);
      counts.rows += found.runs.length;
      return found;
    },
    async later(source, limit) {
      const found = await table.later(source, limit);
      counts.rows += found.due.length;
      return found;
    },
    async heads(source) {
      const found = await table.heads(source);
      counts.rows += found.length;
      return found;
    },
    async line(...args) {
      const found = await table.line(...args);
      counts.rows += found.length;
      return found;
    },
  };
  return { counts, counted };
}

const working = (world: World) =>
  world
    .open()
    .filter(({ status }) => status === "dispatched")
    .map(({ messageId }) => messageId);

const finish = (world: World, messageId: string) => {
  const run = world.open().find((one) => one.messageId === messageId);
  world.cluster.succeed(run?.jobName ?? "");
};

describe("a backlog", () => {
  it("is not read by a tick that has no slot free for it, nor by a trigger", async () => {
    const world = await withBacklog(300);
    const { counts, counted } = countRows(world.deps.table);
    const replica = world.makeReplica({ table: counted });
    await replica.tick();
    // The two at work, and the first in line.
    expect(counts.rows).toBe(3);
    await replica.accept(world.broker.deliver(SOURCE, { body: "{}" }));
    expect(counts.rows).toBe(4);
  });

  it("is read by a tick only as far as slots are free", async () => {
    const world = await withBacklog(300);
    finish(world, "m-1");
    await world.tick();
    const { counts, counted } = countRows(world.deps.table);
    await world.makeReplica({ table: counted }).tick();
    expect(counts.rows).toBeLessThan(30);
    expect(working(world)).toEqual(["m-2", "m-3"]);
  });

  it("starts in the order in which its messages were enqueued, as slots come free", async () => {
    const world = await withBacklog(6);
    const order: string[] = [];
    await ticks(world, () => {
      for (const messageId of working(world)) {
        order.push(messageId);
        finish(world, messageId);
      }
      return world.open().length === 0;
    });
    expect(order).toEqual(["m-1", "m-2", "m-3", "m-4", "m-5", "m-6"]);
  });

  it("lets a retry go first again, however many messages came due before it", async () => {
    const world = await withBacklog(8);
    const run = world.open().find(({ messageId }) => messageId === "m-1");
    world.cluster.run(run?.jobName ?? "");
    world.cluster.fail(run?.jobName ?? "");
    await world.tick();
    // Its slot went to another one meanwhile. The next that comes free is its own.
    await world.tick();
    world.clock.advance(10_000);
    await world.tick();
    expect(working(world)).toEqual(["m-2", "m-3"]);
    finish(world, "m-2");
    await world.tick();
    world.clock.advance(10_000);
    await world.tick();
    expect(working(world)).toContain("m-1");
  });

  it("does not hold up a message once the line is empty and a slot is free", async () => {
    const world = await withBacklog(3);
    finish(world, "m-1");
    finish(world, "m-2");
    await world.tick();
    world.clock.advance(10_000);
    await world.tick();
    expect(working(world)).toEqual(["m-3"]);
    expect((await world.send({ messageId: "late" })).outcome).toBe("dispatched");
  });

  it("loses none that the trigger put in line and then died over, before it deferred it", async () => {
    const world = await withBacklog(2);
    world.broker.failNext("defer");
    expect((await world.send({ messageId: "late" })).outcome).toBe("left");
    finish(world, "m-1");
    finish(world, "m-2");
    for (let tick = 0; tick < 3; tick += 1) {
      await world.tick();
      world.clock.advance(10_000);
    }
    expect(working(world)).toEqual([]);
    expect(await world.accept(world.redeliver())).toBe("deferred");
    await ticks(world, () => working(world).length > 0);
    expect(working(world)).toEqual(["late"]);
  });

  it("that stood back all at once comes due without taking other modules' turn", async () => {
    const other = aModule({ name: "other", when: { subject: "other" }, retry: RETRY });
    const world = makeWorld([aModule({ retry: RETRY, maxActive: 1, when: { subject: "one" } }), other]);
    for (let number = 1; number <= 50; number += 1) await world.send({ messageId: `m-${number}`, subject: "one" });
    for (const run of world.open().filter(({ status }) => status === "waiting")) {
      const found = await world.table.find(run);
      if (found.kind === "open")
        await world.table.update(found.stored, { ...run, notBefore: world.clock.now() + 1_000 });
    }
    world.cluster.quotaNext();
    await world.send({ messageId: "theirs", subject: "other" });
    world.clock.advance(60_000);
    await world.tick();
    expect(working(world)).toEqual(["m-1", "theirs"]);
    expect((await world.deps.table.line(SOURCE, "thumbnail", 100)).length).toBe(49);
  });
});
