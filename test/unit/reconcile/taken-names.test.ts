import { expect, it } from "vitest";
import { makeWorld } from "../../support/world.ts";

it("a name that is taken costs one interruption, and the next attempt waits its back-off", async () => {
  const world = makeWorld();
  world.cluster.failNext("create");
  await world.send();
  // The operator copied one of our Jobs with all its labels, and gave the copy this attempt's name.
  const copy = structuredClone(world.cluster.creates[0]);
  if (copy?.metadata) copy.metadata.annotations = { ...copy.metadata.annotations, "ion/sequence-number": "999" };
  if (copy) await world.cluster.create(copy);
  world.clock.advance(20_000);
  await world.tick();
  expect(world.run()).toMatchObject({ status: "waiting", attempt: 2, interruptions: 1 });
  world.clock.advance(10_000);
  await world.tick();
  expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2, interruptions: 1 });
});

it("the sweep does not follow a tombstone again if its row is lost, and the next attempt has another name", async () => {
  const world = makeWorld();
  await world.send();
  const tombstone = world.jobName();
  world.cluster.run(tombstone);
  world.cluster.succeed(tombstone);
  world.broker.failNext("completeDeferred");
  await world.tick();
  expect(world.cluster.job(tombstone).metadata?.labels?.["ion/retired"]).toBe("true");
  world.table.forget(world.run());
  for (let tick = 0; tick < 4; tick += 1) {
    await world.tick();
    world.clock.advance(10_000);
  }
  expect(world.run()).toMatchObject({ status: "dispatched", attempt: 2, interruptions: 1 });
  expect(world.cluster.names()).toHaveLength(2);
});
