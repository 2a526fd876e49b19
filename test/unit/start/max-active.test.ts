import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { makeWorld } from "../../support/world.ts";

describe("maxActive, in one process", () => {
  it("is kept if a tick counts while a trigger creates a Job", async () => {
    const world = makeWorld([aModule({ maxActive: 1 })]);
    const create = world.cluster.create.bind(world.cluster);
    world.cluster.create = async (job) => {
      world.cluster.create = create;
      await world.tick();
      return create(job);
    };
    await world.send({ messageId: "m-1" });
    await world.send({ messageId: "m-2" });
    expect(world.cluster.names()).toHaveLength(1);
    expect(world.open()).toMatchObject([
      { messageId: "m-1", status: "dispatched" },
      { messageId: "m-2", status: "waiting" },
    ]);
  });

  it("is kept though the reply to a create was lost", async () => {
    const world = makeWorld([aModule({ maxActive: 1 })]);
    world.cluster.loseNextReply("create");
    await world.send();
    expect(world.run().status).toBe("accepted");
    world.clock.advance(11_000);
    await world.send();
    expect(world.cluster.names()).toHaveLength(1);
  });

  it("is kept by the tick that takes over a Job whose create got no reply", async () => {
    const world = makeWorld([aModule({ maxActive: 1 })]);
    world.cluster.loseNextReply("create");
    await world.send({ messageId: "m-1" });
    await world.send({ messageId: "m-2" });
    world.clock.advance(16_000);
    await world.tick();
    expect(world.cluster.names()).toHaveLength(1);
    expect(world.open()).toMatchObject([
      { messageId: "m-1", status: "dispatched" },
      { messageId: "m-2", status: "waiting" },
    ]);
  });

  it("is kept if a message comes while a tick creates a Job", async () => {
    const world = makeWorld([aModule({ maxActive: 1 })]);
    world.cluster.quotaNext();
    await world.send({ messageId: "m-1" });
    world.clock.advance(60_000);
    const create = world.cluster.create.bind(world.cluster);
    world.cluster.create = async (job) => {
      world.cluster.create = create;
      await world.send({ messageId: "m-2" });
      return create(job);
    };
    await world.tick();
    expect(world.cluster.names()).toHaveLength(1);
  });
});
