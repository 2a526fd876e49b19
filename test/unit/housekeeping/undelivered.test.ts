import { describe, expect, it } from "vitest";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, SOURCE, type World } from "../../support/world.ts";

const MINUTE_MS = 60_000;
const ALARM = "a source delivers nothing, though it has messages";

/** Ticks once a minute. */
async function pass(world: World, minutes: number, each: () => unknown = () => {}): Promise<void> {
  for (let minute = 0; minute < minutes; minute += 1) {
    world.clock.advance(MINUTE_MS);
    await each();
    await world.tick();
  }
}

const alarms = (world: World) => world.lines.filter(({ message }) => message === ALARM);

describe("a message that no trigger is given", () => {
  it("is an alarm when it is older than 15 minutes, and no longer when it is delivered", async () => {
    const world = makeWorld();
    await world.tick();
    world.broker.send(SOURCE);
    await pass(world, 14);
    expect(alarms(world)).toEqual([]);
    await pass(world, 1);
    expect(alarms(world)).toEqual([
      expect.objectContaining({ level: "error", source: "thumbnails", sequenceNumber: 1, ageMs: 15 * MINUTE_MS }),
    ]);
    expect(world.lastTick()).toMatchObject({ undelivered: 1 });
    await world.accept(world.redeliver());
    await pass(world, 5);
    expect(alarms(world)).toHaveLength(1);
    expect(world.lastTick()).toMatchObject({ undelivered: 0 });
  });

  it("is found behind more waiting runs than one look passes", async () => {
    const world = makeWorld([aModule({ retry: RETRY, maxActive: 0 })]);
    for (let n = 0; n < 1_100; n += 1) await world.send();
    world.broker.send(SOURCE);
    await world.tick();
    await pass(world, 18);
    expect(alarms(world)).toContainEqual(expect.objectContaining({ sequenceNumber: 1_101 }));
  });

  it("is none as long as a backlog moves on, however old it is", async () => {
    const world = makeWorld([aModule({ retry: RETRY, maxActive: 0 })]);
    for (let n = 0; n < 40; n += 1) world.broker.send(SOURCE);
    world.clock.advance(60 * MINUTE_MS);
    await world.tick();
    await pass(world, 30, async () => world.accept(world.redeliver()));
    expect(alarms(world)).toEqual([]);
  });

  it("is found in an entity that was created again, whose numbers begin anew", async () => {
    const world = makeWorld();
    for (let n = 0; n < 5; n += 1) {
      await world.send();
      world.cluster.run(world.jobName());
      world.cluster.succeed(world.jobName());
      await pass(world, 2);
    }
    expect(world.open()).toEqual([]);
    world.broker.recreate(SOURCE);
    world.broker.send(SOURCE);
    await pass(world, 16);
    expect(alarms(world)).toContainEqual(expect.objectContaining({ sequenceNumber: 1 }));
  });

  it("costs a quiet source one peek a minute", async () => {
    const world = makeWorld();
    let peeks = 0;
    const browse = world.deps.broker.browse.bind(world.deps.broker);
    const replica = world.makeReplica({
      broker: {
        ...world.deps.broker,
        browse: (...given) => {
          peeks += 1;
          return browse(...given);
        },
      },
    });
    for (let tick = 0; tick < 30; tick += 1) {
      world.clock.advance(10_000);
      await replica.tick();
    }
    // The sweep makes one in each tick.
    expect(peeks - 30).toBe(4);
  });
});
