import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../shared/errors.ts";
import type { MessageBroker } from "../../../shared/ports/message-broker.ts";
import { aModule } from "../../support/a-module.ts";
import { aRun } from "../../support/a-run.ts";
import { makeWorld, RETRY, SOURCE, ticks, type World } from "../../support/world.ts";

/** A module that does one Job at a time, and three messages that wait for it, the odd one first. */
async function inSeries(): Promise<World> {
  const world = makeWorld([aModule({ retry: RETRY, maxActive: 1 })]);
  for (const messageId of ["odd", "good-1", "good-2"]) {
    world.cluster.quotaNext();
    await world.send({ messageId });
  }
  return world;
}

const peekOf = (world: World, odd: MessageBroker["peek"]): MessageBroker => ({
  ...world.broker,
  peek: (source, number) => (number === 1 ? odd(source, number) : world.broker.peek(source, number)),
});

describe("a slot is left to others by a run that takes it and does not start", () => {
  it.each([
    {
      what: "because its message can't be peeked at",
      odd: () => Promise.reject(new UnavailableError("no answer within 10000 ms")),
    },
    { what: "because the bus shows its message as active", odd: undefined },
  ])("$what", async ({ odd }) => {
    const world = await inSeries();
    const asActive: MessageBroker["peek"] = async (source, number) => {
      const message = await world.broker.peek(source, number);
      return message && { ...message, state: "active" };
    };
    const replica = world.makeReplica({ broker: peekOf(world, odd ?? asActive) });
    await ticks({ ...world, tick: replica.tick }, () => world.cluster.names().length > 0, 10_000);
    expect(world.open().map(({ status }) => status)).toEqual(["waiting", "dispatched", "waiting"]);
    world.cluster.succeed(world.cluster.names()[0] ?? "");
    await ticks({ ...world, tick: replica.tick }, () => world.cluster.names().length > 1, 10_000);
    expect(world.closed()).toMatchObject([{ messageId: "good-1" }]);
    // A trigger starts what arrives once no older run that could start waits.
    world.cluster.succeed(world.cluster.names()[1] ?? "");
    await replica.tick();
    const delivery = world.broker.deliver(SOURCE, { messageId: "new" });
    expect(["dispatched", "waiting"]).toContain(await replica.accept(delivery));
  });
});

it("a probe that can't be tried leaves its turn to another message, so that a mended module recovers", async () => {
  const world = makeWorld([aModule({ retry: RETRY })]);
  for (let n = 1; n <= 3; n += 1) await world.send({ messageId: `m-${n}` });
  for (const name of world.cluster.names()) world.cluster.stick(name);
  await world.tick();
  world.clock.advance(31_000);
  for (let tick = 0; tick < 3; tick += 1) await world.tick();
  expect((await world.table.moduleStates())[0]?.state.trippedAt).toBeDefined();
  // The image is there again, under the same tag. Meanwhile a large message arrived, whose body can't be stored.
  await world.send({ messageId: "large", body: "x".repeat(20_000) });
  for (let n = 4; n <= 9; n += 1) await world.send({ messageId: `m-${n}` });
  const putBody = () => Promise.reject(new UnavailableError("access was refused (403)"));
  const replica = world.makeReplica({ payloads: { ...world.payloads, putBody } });
  const before = world.cluster.creates.length;
  await ticks({ ...world, tick: replica.tick }, () => world.cluster.creates.length > before, 60_000, 60);
  expect(world.cluster.creates.length).toBeGreaterThan(before);
});

describe("a probe is not taken as long as it can't be tried, and is taken right after", () => {
  /** A module with some slots, of which a long Job has one, and which three other messages have tripped. */
  async function tripped(): Promise<World> {
    const world = makeWorld([aModule({ retry: RETRY, maxActive: 5 })]);
    await world.send({ messageId: "long" });
    world.cluster.run(world.jobName());
    world.clock.advance(1_000);
    for (let n = 1; n <= 3; n += 1) {
      world.cluster.refuseNext();
      await world.send({ messageId: `m-${n}` });
    }
    expect((await world.table.moduleStates())[0]?.state.trippedAt).toBeDefined();
    return world;
  }
  const probes = ({ lines }: World) => lines.filter(({ message }) => message === "probing a tripped module").length;

  it("while no slot is free", async () => {
    const world = await tripped();
    const one = aModule({ retry: RETRY, maxActive: 1 });
    const { tick } = world.makeReplica({ modules: new Map([[one.name, one]]) });
    await ticks({ ...world, tick }, () => false, 60_000, 5);
    expect(probes(world)).toBe(0);
    world.cluster.succeed(world.cluster.names()[0] ?? "");
    await ticks({ ...world, tick }, () => world.cluster.names().length === 2);
    expect(probes(world)).toBe(1);
  });

  it("while the cluster is held", async () => {
    const world = await tripped();
    for (let n = 100; n < 112; n += 1)
      await world.table.insert(
        aRun({ source: SOURCE, sequenceNumber: n, module: "gone", status: "dispatched", jobName: `gone-${n}` }),
      );
    world.clock.advance(3_600_000);
    await world.tick();
    expect(world.lastTick()).toMatchObject({ held: 1 });
    expect(probes(world)).toBe(0);
  });

  it("while its source is held", async () => {
    const world = await tripped();
    const created = world.cluster.creates.length;
    world.broker.remove(SOURCE);
    const now = world.clock.now();
    await world.table.holdSource(
      SOURCE,
      { because: "entity missing", since: now, confirmedAt: now, missing: [] },
      undefined,
    );
    world.clock.advance(3_600_000);
    for (let tick = 0; tick < 3; tick += 1) await world.tick();
    expect(world.lastTick()).toMatchObject({ held: 1 });
    expect(probes(world)).toBe(0);
    world.broker.bringBack(SOURCE);
    await ticks(world, () => world.cluster.creates.length > created);
    expect(probes(world)).toBe(1);
    expect(world.cluster.creates.length).toBe(created + 1);
  });
});
