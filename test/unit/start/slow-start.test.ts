import { describe, expect, it } from "vitest";
import { makeWorld, SOURCE, ticks } from "../../support/world.ts";

const SLOW_MS = 61_000;

describe("a start that takes longer than a row stays fresh", () => {
  it("goes on with a body that takes over a minute to store, and stores it once", async () => {
    const world = makeWorld();
    let puts = 0;
    const putBody: typeof world.payloads.putBody = async (key, body) => {
      puts += 1;
      world.clock.advance(SLOW_MS);
      await world.payloads.putBody(key, body);
    };
    const replica = world.makeReplica({ payloads: { ...world.payloads, putBody } });
    await replica.accept(world.broker.deliver(SOURCE, { body: "x".repeat(20_000) }));
    expect(world.run().status).toBe("dispatched");
    expect(world.cluster.creates).toHaveLength(1);
    expect(puts).toBe(1);
  });

  it("goes on in a tick whose rows take over a minute to read", async () => {
    const world = makeWorld();
    for (const messageId of ["m-1", "m-2", "m-3"]) {
      world.cluster.quotaNext();
      await world.send({ messageId });
    }
    const replica = world.makeReplica({
      table: {
        ...world.deps.table,
        async line(source, module, limit, after) {
          const rows = await world.deps.table.line(source, module, limit, after);
          world.clock.advance(SLOW_MS);
          return rows;
        },
      },
    });
    await ticks({ ...world, tick: replica.tick }, () => world.cluster.names().length === 3, 10_000);
    expect(world.open().map(({ status }) => status)).toEqual(["dispatched", "dispatched", "dispatched"]);
  });

  it("ends if the row has changed meanwhile", async () => {
    const world = makeWorld();
    const putBody: typeof world.payloads.putBody = async (key, body) => {
      await world.payloads.putBody(key, body);
      world.clock.advance(SLOW_MS);
      await world.tick();
    };
    const replica = world.makeReplica({ payloads: { ...world.payloads, putBody } });
    await replica.accept(world.broker.deliver(SOURCE, { body: "x".repeat(20_000) }));
    expect(world.cluster.creates).toHaveLength(1);
  });
});
