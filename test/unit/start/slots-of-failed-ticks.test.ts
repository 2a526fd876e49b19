import { describe, expect, it } from "vitest";
import { EntityMissingError, UnavailableError } from "../../../shared/errors.ts";
import { aModule } from "../../support/a-module.ts";
import { LOCK_MS, makeWorld, RETRY } from "../../support/world.ts";

const OTHERS = { queue: "others" };

describe("a slot of a run whose Job its row does not know yet", () => {
  /** Two messages of a module with one slot: the row of the first one does not know its Job, and the second one waits. */
  async function withUnrecorded() {
    const world = makeWorld([aModule({ maxActive: 1 })]);
    world.table.failNext("update", new UnavailableError("the table is away"));
    await world.send();
    await world.send();
    expect(world.open().map(({ status }) => status)).toEqual(["accepted", "waiting"]);
    expect(world.cluster.names()).toHaveLength(1);
    world.clock.advance(20_000);
    return world;
  }

  it("is given back by a tick that fails before it comes to the run", async () => {
    const world = await withUnrecorded();
    let isAway = true;
    const line: typeof world.table.line = async (...asked) => {
      if (isAway) throw new UnavailableError("the table is away");
      return world.table.line(...asked);
    };
    // Here the module has a slot more, so that the tick looks into its line.
    const modules = new Map([["thumbnail", aModule({ maxActive: 2 })]]);
    const replica = world.makeReplica({ modules, table: { ...world.table, line } });
    await replica.tick();
    expect(world.lastTick()).toMatchObject({ message: "reconcile is held up" });
    isAway = false;
    // Another replica settles both messages.
    const other = world.makeReplica();
    for (let round = 0; world.open().length > 0 && round < 20; round += 1) {
      await other.tick();
      for (const name of world.cluster.names()) world.cluster.succeed(name);
    }
    expect(world.closed()).toHaveLength(2);
    world.clock.advance(11_000);
    const accepted = [];
    for (let n = 0; n < 3; n += 1)
      accepted.push(await replica.accept(world.broker.deliver({ queue: "thumbnails" }, { body: Buffer.from("{}") })));
    expect(accepted).toEqual(["dispatched", "dispatched", "waiting"]);
  });
});

describe("a slot of a run whose message is missing", () => {
  it("is given back by a tick that fails before it asks for missing messages", async () => {
    const world = makeWorld([
      aModule({ maxActive: 1, retry: RETRY }),
      aModule({ name: "other", source: OTHERS, retry: RETRY }),
    ]);
    let isAway = false;
    const replica = world.makeReplica({
      broker: {
        ...world.broker,
        peek: async (source, number) => {
          if ("queue" in source && source.queue === "others") throw new EntityMissingError("others does not exist");
          return number === 1 && isAway ? undefined : world.broker.peek(source, number);
        },
      },
      instanceTable: {
        ...world.table,
        holdSource: async () => {
          throw new UnavailableError("the table is away");
        },
      },
    });
    world.cluster.quotaNext();
    await world.send();
    isAway = true;
    await replica.tick();
    expect(world.run().absentSince).toBeDefined();
    world.clock.advance(LOCK_MS);
    world.cluster.quotaNext();
    await world.acceptFrom(OTHERS, world.broker.deliver(OTHERS, { body: Buffer.from("{}") }));
    await replica.tick();
    expect(world.lastTick()).toMatchObject({ message: "reconcile is held up" });
    isAway = false;
    // Another replica has the lease by now, and starts and settles the message.
    const other = world.makeReplica();
    await other.tick();
    for (const name of world.cluster.names()) world.cluster.succeed(name);
    await other.tick();
    expect(world.closed()).toMatchObject([{ status: "succeeded", sequenceNumber: 1 }]);
    world.clock.advance(11_000);
    const delivery = world.broker.deliver({ queue: "thumbnails" }, { body: Buffer.from("{}") });
    expect(await replica.accept(delivery)).toBe("dispatched");
  });
});
