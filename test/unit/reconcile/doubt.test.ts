import { describe, expect, it } from "vitest";
import { LOCK_MS, makeWorld } from "../../support/world.ts";

/** A waiting run whose message one peek missed. The message is there again, and a lock duration has passed. */
async function afterDoubt() {
  const world = makeWorld();
  world.cluster.quotaNext();
  await world.send();
  world.hide(1);
  await world.tick();
  expect(world.run()).toMatchObject({ status: "waiting", absentSince: world.clock.now() });
  world.show(1);
  world.clock.advance(LOCK_MS);
  return world;
}

describe("a doubt that was wrong", () => {
  it.each(["an outage of the cluster", "a full quota"])("costs no delivery, however long %s lasts", async (what) => {
    const world = await afterDoubt();
    const before = world.message(1).deliveryCount;
    for (let tick = 0; tick < 20; tick += 1) {
      if (what === "a full quota") world.cluster.quotaNext();
      else world.cluster.failNext("create");
      await world.tick();
      world.clock.advance(30_000);
    }
    expect(world.message(1).deliveryCount).toBe(before);
    await world.tick();
    expect(world.run().status).toBe("dispatched");
  });

  it("makes the next miss count as the first one", async () => {
    const world = await afterDoubt();
    world.cluster.quotaNext();
    await world.tick();
    expect(world.run()).not.toHaveProperty("absentSince");
    world.clock.advance(LOCK_MS);
    world.hide(1);
    await world.tick();
    expect(world.open()).toHaveLength(1);
    expect(world.run().absentSince).toBe(world.clock.now());
  });
});
