import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../shared/errors.ts";
import { planPurge, purgeLetters } from "../../../shared/operate/purge-letters.ts";
import { orderRedrive } from "../../../shared/operate/redrive-letters.ts";
import { makeCarryOutRedrives } from "../../../shared/redrive/carry-out.ts";
import { makeEvents } from "../../../shared/telemetry/events.ts";
import { aModule } from "../../support/a-module.ts";
import { makeWorld, RETRY, SOURCE, ticks, type World } from "../../support/world.ts";

const BY = { who: "ann", why: "a bad release" };
const LETTERS = { deadLettersOf: SOURCE };

/** A world whose messages ended with these exit codes, one after the other. */
async function withDead(...exitCodes: readonly number[]): Promise<World> {
  const world = makeWorld([aModule({ retry: { ...RETRY, permanentExitCodes: [1, 64] } })]);
  for (const [index, exitCode] of exitCodes.entries()) {
    await world.send({ messageId: `m-${index + 1}` });
    world.cluster.fail(world.jobName(), exitCode);
    await ticks(world, () => world.open().length === 0);
  }
  return world;
}

/** The numbers of the letters on the bus, and of those that rows note. */
async function leftIn(world: World) {
  const numbers = (found: readonly { readonly sequenceNumber: number }[]) =>
    found.map(({ sequenceNumber }) => sequenceNumber).toSorted((a, b) => a - b);
  const bus = await world.broker.browse(LETTERS, 1, 1_000);
  return { bus: numbers(bus), rows: numbers(await world.table.deadLetters(SOURCE, {}, 1_000)) };
}

/** The letters of the runs whose work ended with this exit code. */
async function ended(world: World, exitCode: number) {
  return (await world.table.deadLetters(SOURCE, {}, 1_000)).filter((letter) => letter.exitCode === exitCode);
}

const purge = async (world: World, exitCode: number) =>
  purgeLetters(world.deps, await ended(world, exitCode), BY, world.log);

describe("the plan of a purge", () => {
  it("says how many letters there are, how many are gone, and how many others lie in front", async () => {
    const world = await withDead(64, 1, 64, 64);
    const letters = await ended(world, 64);
    expect(await planPurge(world.deps, letters)).toEqual({ letters, onBus: 3, inFront: 1, tooDeep: 0 });
    const [first] = await world.broker.receiveLetters(LETTERS, 1);
    await world.broker.completeLocked(LETTERS, first?.lockToken ?? "");
    expect(await planPurge(world.deps, { module: "thumbnail" })).toMatchObject({ onBus: 3, inFront: 0 });
    expect(await planPurge(world.deps, letters)).toMatchObject({ letters, onBus: 2, inFront: 1 });
    expect(await planPurge(world.deps, { reason: "Cancelled" })).toMatchObject({ letters: [], onBus: 0 });
  });
});

describe("a purge", () => {
  it("deletes only the rows of letters that are gone, if it is told to", async () => {
    const world = await withDead(64, 64, 64);
    const letters = await ended(world, 64);
    const [first] = await world.broker.receiveLetters(LETTERS, 1);
    await world.broker.completeLocked(LETTERS, first?.lockToken ?? "");
    const done = await purgeLetters(world.deps, letters, BY, world.log, { onlyGone: true });
    expect(done).toEqual({ removed: 0, gone: 1, left: 0 });
    expect(await leftIn(world)).toEqual({ bus: [2, 3], rows: [2, 3] });
  });

  it("takes the chosen letters off the bus, then their rows, and keeps the others and the history", async () => {
    const world = await withDead(1, 64, 1, 64, 1);
    expect(await purge(world, 64)).toEqual({ removed: 2, gone: 0, left: 0 });
    expect(await leftIn(world)).toEqual({ bus: [1, 3, 5], rows: [1, 3, 5] });
    expect(world.closed()).toHaveLength(5);
    // No letter is held any more.
    expect(await world.broker.receiveLetters(LETTERS, 9)).toHaveLength(3);
  });

  it("notes who did it and why, and says so in the log", async () => {
    const world = await withDead(64);
    await purge(world, 64);
    const [noted] = await world.table.actions(SOURCE, 9);
    expect(noted?.action).toMatchObject({
      ...BY,
      what: "purge dead letters",
      subject: "thumbnails",
      facts: { letters: 1 },
    });
    expect(world.lines).toContainEqual(
      expect.objectContaining({ message: "purges dead letters by hand", letters: 1, ...BY }),
    );
  });

  it("receives a deferred letter by its number", async () => {
    const world = await withDead(1, 64);
    const received = await world.broker.receiveLetters(LETTERS, 2);
    for (const { lockToken } of received) await world.broker.defer(LETTERS, lockToken, {});
    expect(await planPurge(world.deps, await ended(world, 64))).toMatchObject({ onBus: 1, inFront: 0 });
    expect(await purge(world, 64)).toEqual({ removed: 1, gone: 0, left: 0 });
    expect(await leftIn(world)).toEqual({ bus: [1], rows: [1] });
  });

  it("leaves a letter that was redriven since it was chosen, whose run is open or failed anew", async () => {
    const world = await withDead(64, 64);
    const letters = await ended(world, 64);
    world.clock.advance(1_000);
    const how = { by: BY, perSecond: 1_000, most: 1 };
    await orderRedrive(world.deps, SOURCE, {}, how, world.log);
    await makeCarryOutRedrives(world.deps)(makeEvents(world.log), new AbortController().signal);
    await world.tick();
    expect(await purgeLetters(world.deps, letters, BY, world.log)).toEqual({ removed: 1, gone: 0, left: 1 });
    expect((await leftIn(world)).bus).toEqual([1]);
    world.cluster.fail(world.jobName(), 1);
    await ticks(world, () => world.open().length === 0);
    expect(await purgeLetters(world.deps, letters, BY, world.log)).toMatchObject({ removed: 0, left: 1 });
    expect(await leftIn(world)).toEqual({ bus: [1], rows: [1] });
    expect(await purge(world, 1)).toEqual({ removed: 1, gone: 0, left: 0 });
  });

  it("leaves a letter that another receiver holds, on the bus and in its row", async () => {
    const world = await withDead(64, 64);
    await world.broker.receiveLetters(LETTERS, 1);
    expect(await purge(world, 64)).toEqual({ removed: 1, gone: 0, left: 1 });
    expect(await leftIn(world)).toEqual({ bus: [1], rows: [1] });
  });

  it("deletes the rows of letters that are gone", async () => {
    const world = await withDead(64, 64);
    world.broker.recreate(SOURCE);
    expect(await purge(world, 64)).toEqual({ removed: 0, gone: 2, left: 0 });
    expect(await leftIn(world)).toEqual({ bus: [], rows: [] });
  });

  it("knows a letter though a module file spells its source anew", async () => {
    const world = await withDead(64);
    const letters = (await ended(world, 64)).map((letter) => ({ ...letter, source: { queue: "Thumbnails" } }));
    expect(await planPurge(world.deps, letters)).toMatchObject({ onBus: 1 });
    expect(await purgeLetters(world.deps, letters, BY, world.log)).toEqual({ removed: 1, gone: 0, left: 0 });
    expect((await leftIn(world)).bus).toEqual([]);
  });

  it("takes the first of two letters with one stamp", async () => {
    const world = await withDead(64);
    const [letter] = await world.broker.browse(LETTERS, 1, 1);
    const { lockToken } = world.broker.deliver(SOURCE, { properties: { ...letter?.properties } });
    await world.broker.deadLetterLocked(SOURCE, lockToken, { reason: "x", description: "y", properties: {} });
    expect(await planPurge(world.deps, {})).toMatchObject({ onBus: 1 });
    expect(await purge(world, 64)).toEqual({ removed: 1, gone: 0, left: 0 });
    expect(await leftIn(world)).toEqual({ bus: [2], rows: [] });
  });

  it("goes on if the one before died between bus and table", async () => {
    const world = await withDead(64, 1, 64);
    const letters = await ended(world, 64);
    world.table.failNext("forgetLetters", new UnavailableError("away"));
    await expect(purgeLetters(world.deps, letters, BY, world.log)).rejects.toThrow("away");
    expect((await leftIn(world)).rows).toEqual([1, 2, 3]);
    await purgeLetters(world.deps, letters, BY, world.log);
    expect(await leftIn(world)).toEqual({ bus: [2], rows: [2] });
  });

  it("gives back what it holds if the bus fails", async () => {
    const world = await withDead(1, 64);
    world.broker.failNext("completeLocked", new UnavailableError("away"));
    await expect(purge(world, 64)).rejects.toThrow("away");
    expect(await leftIn(world)).toEqual({ bus: [1, 2], rows: [1, 2] });
    expect((await world.broker.receiveLetters(LETTERS, 9)).map(({ sequenceNumber }) => sequenceNumber)).toEqual([1]);
  });

  it("ends before the locks of what it holds lapse", async () => {
    const world = await withDead(...Array.from({ length: 100 }, () => 1), 64);
    const { broker } = world.deps;
    const slow = {
      ...broker,
      receiveLetters: async (...args: Parameters<typeof broker.receiveLetters>) => {
        const received = await broker.receiveLetters(...args);
        world.clock.advance(world.deps.lockDurationMs * 0.6);
        return received;
      },
    };
    const done = await purgeLetters({ ...world.deps, broker: slow }, await ended(world, 64), BY, world.log);
    expect(done).toEqual({ removed: 0, gone: 0, left: 1 });
    expect(await world.broker.receiveLetters(LETTERS, 200)).toHaveLength(101);
  }, 30_000);
});
