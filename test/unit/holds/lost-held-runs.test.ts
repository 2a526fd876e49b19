import { expect, it } from "vitest";
import { makeLog } from "../../../shared/log.ts";
import { makeOperator } from "../../../shared/operate/operator.ts";
import { aModule } from "../../support/a-module.ts";
import { BY_HAND } from "../../support/a-person.ts";
import { makeWorld, RETRY, SOURCE, type World } from "../../support/world.ts";

const WRONG = aModule({ retry: RETRY, when: { subject: "mien" } });
const HOUR_MS = 3_600_000;

async function heldWorld(): Promise<World> {
  const world = makeWorld([WRONG]);
  for (let n = 0; n < 25; n += 1)
    await world.accept(world.broker.deliver(SOURCE, { messageId: `m-${n}`, subject: "mine", body: Buffer.from("{}") }));
  await world.tick();
  expect(world.open().map(({ status }) => status)).toEqual(Array(15).fill("held"));
  return world;
}

it("held runs of a deleted queue are closed as lost after 24 hours", async () => {
  const world = await heldWorld();
  world.broker.remove(SOURCE);
  for (let t = 0; t < 6 * 60; t += 1) {
    world.clock.advance(HOUR_MS / 6);
    await world.tick();
  }
  expect(world.open()).toHaveLength(0);
});

it("accept-loss closes held runs whose messages are missing", async () => {
  const world = await heldWorld();
  world.broker.recreate(SOURCE);
  const mended = world.makeReplica({ modules: new Map([["thumbnail", aModule({ retry: RETRY })]]) });
  const op = makeOperator(mended.deps, makeLog({ info() {}, warn() {}, error() {} }));
  const answers: unknown[] = [];
  for (let t = 0; t < 60; t += 1) {
    world.clock.advance(60_000);
    await mended.tick();
    if ((await world.table.heldSources()).length > 0) answers.push(await op.acceptLoss("thumbnails", BY_HAND));
  }
  expect(world.open()).toHaveLength(0);
});
