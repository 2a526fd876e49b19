import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../shared/errors.ts";
import type { MessageBroker } from "../../../shared/ports/message-broker.ts";
import { sourceKey } from "../../../shared/run/source.ts";
import { aModule } from "../../support/a-module.ts";
import { LOCK_MS, makeWorld, RETRY, SOURCE, ticks, type World } from "../../support/world.ts";

/** A world with one module of so many slots, and so many messages that were accepted. */
async function withMessages(count: number, module: Parameters<typeof aModule>[0]): Promise<World> {
  const world = makeWorld([aModule({ retry: RETRY, ...module })]);
  await accept(world, count);
  for (const name of world.cluster.names()) world.cluster.run(name);
  return world;
}

/** Accepts so many messages more, each a millisecond younger than the one before. */
async function accept(world: World, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += 1) {
    world.clock.advance(1);
    await world.accept(world.broker.deliver(SOURCE, { body: Buffer.from("{}") }));
  }
}

/** Hides every message that is open, as another namespace does. */
function hideAll(world: World): void {
  for (const { sequenceNumber } of world.open()) world.hide(sequenceNumber);
}

/** Ticks for an hour, each time in a replica that knows nothing of the ticks before. */
async function ticksForAnHour(world: World): Promise<void> {
  for (let tick = 0; tick < 60; tick += 1) {
    world.clock.advance(60_000);
    await world.makeReplica().tick();
  }
}

const lost = (world: World) => world.closed().filter(({ status }) => status === "lost").length;
const reasons = async ({ table }: World) => (await table.heldSources()).map(({ hold }) => hold.because);

describe("a source whose messages are missing, with few free slots", () => {
  it.each([1, 3, 9])("is held before any run is closed, if its module has %i", async (maxActive) => {
    const world = await withMessages(60, { maxActive });
    hideAll(world);
    for (const name of world.cluster.names()) world.cluster.succeed(name);
    await ticksForAnHour(world);
    expect(lost(world)).toBe(0);
    expect(await reasons(world)).toEqual(["messages missing"]);
  });

  it("is held if all slots but five are taken by Jobs at work", async () => {
    const world = await withMessages(160, { maxActive: 100 });
    hideAll(world);
    for (const name of world.cluster.names().slice(0, 5)) world.cluster.deleteJob(name);
    await ticksForAnHour(world);
    expect(lost(world)).toBe(0);
    expect(await reasons(world)).toEqual(["messages missing"]);
  });

  it("is held though more messages were sent since, which are there", async () => {
    const world = await withMessages(11, { maxActive: 1 });
    hideAll(world);
    await accept(world, 40);
    world.cluster.deleteJob(world.cluster.names()[0] ?? "");
    await ticksForAnHour(world);
    expect(lost(world)).toBe(0);
    expect(await reasons(world)).toEqual(["messages missing"]);
  });

  it("is held if the others wait for their next attempt, or have Jobs at work", async () => {
    const day = 86_400_000;
    const world = await withMessages(12, { retry: { ...RETRY, backoff: { firstMs: day, maxMs: day } } });
    for (const name of world.cluster.names().slice(0, 6)) world.cluster.fail(name);
    await world.tick();
    await world.tick();
    hideAll(world);
    const first = Math.min(...world.open().flatMap(({ status, notBefore }) => (status === "waiting" ? notBefore : [])));
    world.clock.advance(first - world.clock.now());
    await world.tick();
    world.clock.advance(LOCK_MS);
    await world.tick();
    expect(lost(world)).toBe(0);
    expect(await reasons(world)).toEqual(["messages missing"]);
  });

  it("goes on when the messages are there again", async () => {
    const world = await withMessages(20, { maxActive: 1 });
    hideAll(world);
    world.cluster.deleteJob(world.cluster.names()[0] ?? "");
    await ticks(world, () => world.lastTick()?.["held"] === 1);
    for (const { sequenceNumber } of world.open()) world.show(sequenceNumber);
    await ticks(world, () => world.open().some(({ status }) => status === "dispatched"), 60_000);
    expect(await reasons(world)).toEqual([]);
  });
});

describe("a message that is missing while the others of its source are there", () => {
  /** A world in which the oldest of twenty messages is missing, and the others have Jobs at work. */
  async function withOneMissing(): Promise<World> {
    const world = await withMessages(20, {});
    world.cluster.fail(world.cluster.names()[0] ?? "");
    await world.tick();
    world.hide(1);
    return world;
  }

  it("is lost after two looks as ever", async () => {
    const world = await withOneMissing();
    await ticks(world, () => lost(world) > 0, LOCK_MS);
    expect(world.closed()).toMatchObject([{ sequenceNumber: 1, status: "lost" }]);
    expect(await reasons(world)).toEqual([]);
  });

  it("is not lost as long as the bus does not answer for the others", async () => {
    const world = await withOneMissing();
    const { broker } = world.deps;
    const peek: MessageBroker["peek"] = async (source, number) => {
      if (number > 1) throw new UnavailableError("no connection");
      return broker.peek(source, number);
    };
    const { tick } = world.makeReplica({ broker: { ...broker, peek } });
    await ticks({ ...world, tick }, () => lost(world) > 0, LOCK_MS, 10);
    expect(lost(world)).toBe(0);
    expect(world.lines.map(({ message }) => message)).toContain("left missing messages to the next tick");
    await ticks(world, () => lost(world) > 0, LOCK_MS);
    expect(lost(world)).toBe(1);
  });
});

it("asks for no other message as long as none is missing", async () => {
  const world = await withMessages(20, { maxActive: 1 });
  const peeked: number[] = [];
  const { broker } = world.deps;
  const peek: MessageBroker["peek"] = async (source, number) => {
    peeked.push(number);
    return broker.peek(source, number);
  };
  world.cluster.succeed(world.cluster.names()[0] ?? "");
  const { tick } = world.makeReplica({ broker: { ...broker, peek } });
  await tick();
  await tick();
  expect(peeked).toEqual([2]);
});

describe("sources with fewer than ten open runs", () => {
  const queues = ["a", "b", "c", "d"];

  /** A world with four sources of four messages each, all of which wait for their next attempt. */
  async function withFourSources(): Promise<World> {
    const world = makeWorld(queues.map((queue) => aModule({ name: queue, source: { queue }, retry: RETRY })));
    for (const queue of queues)
      for (let sent = 0; sent < 4; sent += 1)
        await world.acceptFrom({ queue }, world.broker.deliver({ queue }, { body: Buffer.from("{}") }));
    for (const name of world.cluster.names()) world.cluster.fail(name);
    await world.tick();
    return world;
  }

  it("are held together, if all of them miss their messages", async () => {
    const world = await withFourSources();
    hideAll(world);
    await ticksForAnHour(world);
    expect(lost(world)).toBe(0);
    expect(await reasons(world)).toEqual(Array(4).fill("messages missing"));
  });

  it("lose them as ever, if only one of them misses its messages", async () => {
    const world = await withFourSources();
    world.broker.recreate({ queue: "a" });
    await ticksForAnHour(world);
    const closed = world.closed().map(({ source, status }) => `${sourceKey(source)} ${status}`);
    expect(closed).toEqual(Array(4).fill(`${sourceKey({ queue: "a" })} lost`));
    expect(await reasons(world)).toEqual([]);
  });

  it("are judged alone, if the entities of the others are missing", async () => {
    const world = await withFourSources();
    world.broker.recreate({ queue: "a" });
    for (const queue of queues.slice(1)) world.broker.remove({ queue });
    await ticksForAnHour(world);
    expect(lost(world)).toBe(4);
    expect(await reasons(world)).toEqual(Array(3).fill("entity missing"));
  });
});
