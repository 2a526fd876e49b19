import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../shared/errors.ts";
import { closed, queued } from "../../../shared/run/change-run.ts";
import { keyOf, runId } from "../../../shared/run/run.ts";
import { aRun } from "../../support/a-run.ts";
import { makeWorld, SOURCE } from "../../support/world.ts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** More than the time that a tick has for housekeeping. */
const TICK_BUDGET_MS = 31_000;

/** A world with so many messages that have just been dead-lettered. */
async function withLetters(
  count: number,
  stamp: (id: string) => string | undefined = (id) => id,
  owner: string | undefined = "owner-1",
) {
  const world = makeWorld();
  await world.table.registerSource(SOURCE);
  for (let n = 1; n <= count; n += 1) {
    const { sequenceNumber, enqueuedAt, lockToken } = world.broker.deliver(SOURCE, { messageId: `m-${n}` });
    const run = aRun({ source: SOURCE, sequenceNumber, enqueuedAt, messageId: `m-${n}` });
    const verdict = { outcome: "failed", reason: "JobFailed" } as const;
    const properties = { "dispatcher-run": stamp(runId(run)), "dispatcher-owner": owner };
    const letter = { reason: verdict.reason, description: "", properties };
    await world.broker.deadLetterLocked(SOURCE, lockToken, letter);
    await world.table.close(await world.table.insert(run), closed(run, verdict, world.clock.now()));
  }
  return world;
}

/** Takes letters from the dead letter queue, as a person does who has read them. */
async function take({ broker }: ReturnType<typeof makeWorld>, ...messageIds: readonly string[]) {
  const source = { deadLettersOf: SOURCE };
  const letters = await broker.receiveLetters(source, 1_000);
  const read = letters.filter(({ messageId = "" }) => messageIds.includes(messageId));
  if (read.length < messageIds.length) throw new Error("there is no such letter");
  for (const letter of read) {
    await broker.defer(source, letter.lockToken, {});
    await broker.completeDeferred({ ...letter, source });
  }
}

/** Makes a replica that can't peek at dead letters. */
function withoutLetters({ makeReplica, broker }: ReturnType<typeof makeWorld>) {
  const browse: typeof broker.browse = async (place, from, count) => {
    if ("deadLettersOf" in place) throw new UnavailableError("The bus is away.");
    return broker.browse(place, from, count);
  };
  return makeReplica({ broker: { ...broker, browse } });
}

describe("the run of a dead letter", () => {
  it("is kept as long as its letter is on the bus, and then purged with the next day", async () => {
    const world = await withLetters(3);
    world.clock.advance(31 * DAY_MS);
    await world.tick();
    expect(world.closed()).toHaveLength(3);
    await take(world, "m-2");
    await world.tick();
    expect(world.closed()).toHaveLength(3);
    world.clock.advance(DAY_MS + MINUTE_MS);
    await world.tick();
    expect(world.closed().map(({ messageId }) => messageId)).toEqual(["m-1", "m-3"]);
    expect(await world.table.deadLetters(SOURCE, {}, 9)).toHaveLength(2);
  });

  it.each([
    { what: "says its run in another spelling", stamp: (id: string) => id.toUpperCase() },
    { what: "had no room to say its run", stamp: () => undefined },
  ])("is kept as long as its letter is on the bus, though it $what", async ({ stamp }) => {
    const world = await withLetters(1, stamp);
    world.clock.advance(31 * DAY_MS);
    await world.tick();
    expect(world.closed()).toHaveLength(1);
  });

  it("is kept as long as its letter is on the bus, though a sender wrote another run's name on that", async () => {
    const world = await withLetters(1, () => "queue:99:1", "");
    world.clock.advance(31 * DAY_MS);
    await world.tick();
    expect(world.closed()).toHaveLength(1);
  });

  it("is kept while it is younger than the history, though its letter is gone", async () => {
    const world = await withLetters(1);
    await take(world, "m-1");
    world.clock.advance(29 * DAY_MS);
    await world.tick();
    expect(world.closed()).toHaveLength(1);
    world.clock.advance(2 * DAY_MS);
    await world.tick();
    expect(world.closed()).toHaveLength(0);
  });

  it("is purged only when the look has been through the whole dead letter queue, which takes some ticks", async () => {
    const world = await withLetters(450);
    await take(world, "m-10");
    world.clock.advance(31 * DAY_MS);
    const kept: number[] = [];
    for (let tick = 0; tick < 3; tick += 1) {
      world.clock.advance(MINUTE_MS);
      await world.tick();
      kept.push(world.closed().length);
    }
    expect(kept).toEqual([450, 450, 449]);
  });

  it("is purged by the next tick, if this one has no time left after a page of rows", async () => {
    const world = await withLetters(600);
    await take(world, ...world.closed().map(({ messageId }) => messageId));
    world.clock.advance(31 * DAY_MS);
    world.table.beforeNext("purgeLetters", () => world.clock.advance(TICK_BUDGET_MS));
    await world.tick();
    expect(world.closed()).toHaveLength(100);
    await world.tick();
    expect(world.closed()).toHaveLength(0);
  });

  it("is kept while the dead letter queue can't be looked at, and purged when it can", async () => {
    const world = await withLetters(1);
    await take(world, "m-1");
    world.clock.advance(31 * DAY_MS);
    const replica = withoutLetters(world);
    await replica.tick();
    expect([world.lastTick()?.["failed"], world.closed().length]).toEqual([1, 1]);
    world.clock.advance(MINUTE_MS);
    await world.tick();
    expect(world.closed()).toHaveLength(0);
  });

  it("costs no look at the dead letter queue as long as no letter is noted", async () => {
    const world = await withLetters(0);
    await withoutLetters(world).tick();
    expect(world.lastTick()).toMatchObject({ failed: 0 });
  });
});

describe("a dead letter of ours whose row was lost", () => {
  const numbers = async ({ table }: ReturnType<typeof makeWorld>) =>
    (await table.deadLetters(SOURCE, {}, 9)).map(({ sequenceNumber }) => sequenceNumber).toSorted((a, b) => a - b);
  const lose = async (world: ReturnType<typeof makeWorld>, ...sequenceNumbers: readonly number[]) => {
    const all = await world.table.deadLetters(SOURCE, {}, 9);
    const lost = all.filter(({ sequenceNumber }) => sequenceNumbers.includes(sequenceNumber));
    await world.table.forgetLetters(SOURCE, lost);
    return lost;
  };

  it("is noted again as it was, with the next day's look", async () => {
    const world = await withLetters(3);
    await world.tick();
    const [letter] = await lose(world, 2);
    await world.tick();
    expect(await numbers(world)).toEqual([1, 3]);
    world.clock.advance(DAY_MS + MINUTE_MS);
    await world.tick();
    expect(await numbers(world)).toEqual([1, 2, 3]);
    const again = (await world.table.deadLetters(SOURCE, {}, 9)).find(({ sequenceNumber }) => sequenceNumber === 2);
    expect(again).toEqual({ ...letter, etag: again?.etag });
    expect(world.lines).toContainEqual(
      expect.objectContaining({ message: "noted dead letters again whose rows were lost", letters: 1 }),
    );
  });

  it("is not noted if it is being redriven, or if it was withdrawn", async () => {
    const world = await withLetters(3);
    await lose(world, 2);
    const [lost] = world.closed().filter(({ sequenceNumber }) => sequenceNumber === 2);
    const seen = (await world.table.letterRuns(SOURCE, lost ? [lost] : [])).values().next().value;
    if (!lost || seen?.kind !== "closed") throw new Error("the run is missing");
    const run = queued({ ...aRun({ ...keyOf(lost), messageId: lost.messageId }), redrive: 1 }, world.clock.now());
    const stored = await world.table.claim(run, seen);
    await world.tick();
    expect(await numbers(world)).toEqual([1, 3]);
    const found = await world.table.find(run);
    const now = found.kind === "open" ? found.stored : stored;
    await world.table.close(now, closed(now.run, { outcome: "withdrawn" }, world.clock.now()));
    world.clock.advance(DAY_MS + MINUTE_MS);
    await world.tick();
    expect(await numbers(world)).toEqual([1, 3]);
  });

  it("is not noted if a process began to redrive it meanwhile", async () => {
    const world = await withLetters(2);
    await lose(world, 2);
    world.table.beforeNext("noteLetter", async () => {
      const [lost] = world.closed().filter(({ sequenceNumber }) => sequenceNumber === 2);
      const seen = (await world.table.letterRuns(SOURCE, lost ? [lost] : [])).values().next().value;
      if (!lost || seen?.kind !== "closed") throw new Error("the run is missing");
      await world.table.claim(queued({ ...aRun(keyOf(lost)), redrive: 1 }, world.clock.now()), seen);
    });
    await world.tick();
    expect(await numbers(world)).toEqual([1]);
    expect(world.lastTick()).toMatchObject({ failed: 0 });
  });

  it("is not noted if a person took it off the bus meanwhile", async () => {
    const world = await withLetters(2);
    await lose(world, 2);
    world.table.beforeNext("letterRuns", () => take(world, "m-2"));
    await world.tick();
    expect(await numbers(world)).toEqual([1]);
  });

  const count = async ({ table }: ReturnType<typeof makeWorld>) => (await table.deadLetters(SOURCE, {}, 1_000)).length;
  const loseAllBut = async (world: ReturnType<typeof makeWorld>, kept: number) =>
    world.table.forgetLetters(SOURCE, (await world.table.deadLetters(SOURCE, {}, 1_000)).slice(kept));

  it("is noted again with others, 200 in a tick", async () => {
    const world = await withLetters(350);
    await loseAllBut(world, 1);
    const notes: number[] = [];
    for (let tick = 0; tick < 4; tick += 1) {
      world.clock.advance(MINUTE_MS);
      await world.tick();
      notes.push(await count(world));
    }
    // The queue is looked through in two ticks.
    expect(notes).toEqual([1, 201, 350, 350]);
  });

  it("is noted again by the next tick, if this one has no time left", async () => {
    const world = await withLetters(5);
    await loseAllBut(world, 1);
    world.table.beforeNext("noteLetter", () => world.clock.advance(TICK_BUDGET_MS));
    await world.tick();
    expect(await count(world)).toBe(2);
    await world.tick();
    expect(await count(world)).toBe(5);
  });

  it.each([
    { what: "a run that is none", forged: "forged" },
    { what: "a run without numbers", forged: "thumbnails:NaN:NaN" },
  ])("is noted again though its sender named $what, and the look goes on behind it", async ({ forged }) => {
    const world = await withLetters(2, (id) => (id.includes(":1:") ? forged : id));
    await lose(world, 1);
    await world.tick();
    expect(world.lastTick()).toMatchObject({ failed: 0 });
    expect(await numbers(world)).toEqual([1, 2]);
    world.clock.advance(31 * DAY_MS);
    await world.tick();
    expect(world.closed()).toHaveLength(2);
  });

  it("is left alone if it has not this instance's stamp", async () => {
    const world = await withLetters(2);
    await lose(world, 2);
    await world.makeReplica({ instanceTable: { ...world.table, owner: async () => "owner-2" } }).tick();
    expect(await numbers(world)).toEqual([1]);
  });
});
