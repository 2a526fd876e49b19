import { expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, SOURCE, ticks } from "../../support/world.ts";

const SCHEMA = { type: "object", properties: { size: { type: "integer" } } };
const files = (...modules: ReturnType<typeof aModule>[]) => ({ modules: new Map(modules.map((m) => [m.name, m])) });

async function lostAndFound(wrong: ReturnType<typeof aModule>, next: ReturnType<typeof aModule>, message: object) {
  const world = makeWorld([wrong]);
  for (let n = 0; n < 11; n += 1) await world.accept(world.broker.deliver(SOURCE, { messageId: `m-${n}`, ...message }));
  await world.tick();
  expect(world.run()).toMatchObject({ status: "held", sequenceNumber: 11 });
  const replica = world.makeReplica(files(next)); // other files: the gate is untried
  world.hide(11);
  await ticks({ ...world, tick: replica.tick }, () => world.open().length === 0, 60_000);
  expect(world.closed().find((r) => r.sequenceNumber === 11)?.status).toBe("lost");
  world.show(11);
  for (let t = 0; t < 60; t += 1) {
    world.clock.advance(10_000);
    await replica.tick();
  }
  return world;
}

it("a held run that was lost and found again is judged, not left in the line of no module for ever", async () => {
  const wrong = aModule({ retry: RETRY, when: { subject: "mien" } });
  const right = aModule({ retry: RETRY, when: { subject: "mien2" } });
  const world = await lostAndFound(wrong, right, { subject: "mine", body: Buffer.from("{}") });
  expect(world.message(11).state).toBe("dead-lettered");
});

it("a held run that was lost and found again gets no Job if its message still breaks the schema", async () => {
  const wrong = aModule({ retry: RETRY, schema: SCHEMA });
  const next = aModule({ retry: RETRY, schema: { ...SCHEMA, title: "other" } });
  const world = await lostAndFound(wrong, next, { body: Buffer.from('{"size":"x"}') });
  expect(world.cluster.names()).toEqual([]);
  expect(world.message(11).state).toBe("dead-lettered");
});

it("a held run that was lost and found again begins with attempt 1 if its message fits by now", async () => {
  const wrong = aModule({ retry: RETRY, schema: SCHEMA });
  const right = aModule({ retry: RETRY });
  const world = await lostAndFound(wrong, right, { body: Buffer.from('{"size":"x"}') });
  expect(world.run()).toMatchObject({ status: "dispatched", attempt: 1 });
});
