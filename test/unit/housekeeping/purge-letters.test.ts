import { describe, expect, it } from "vitest";
import { UnavailableError } from "../../../shared/errors.ts";
import { closed } from "../../../shared/run/change-run.ts";
import { runId } from "../../../shared/run/run.ts";
import { aRun } from "../../support/a-run.ts";
import { makeWorld, SOURCE } from "../../support/world.ts";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** A world with so many messages that have just been dead-lettered. */
async function withLetters(count: number, stamp: (id: string) => string | undefined = (id) => id) {
  const world = makeWorld();
  await world.table.registerSource(SOURCE);
  for (let n = 1; n <= count; n += 1) {
    const { sequenceNumber, enqueuedAt, lockToken } = world.broker.deliver(SOURCE, { messageId: `m-${n}` });
    const run = aRun({ source: SOURCE, sequenceNumber, enqueuedAt, messageId: `m-${n}` });
    const verdict = { outcome: "failed", reason: "JobFailed" } as const;
    const letter = { reason: verdict.reason, description: "", properties: { "dispatcher-run": stamp(runId(run)) } };
    await world.broker.deadLetterLocked(SOURCE, lockToken, letter);
    await world.table.close(await world.table.insert(run), closed(run, verdict, world.clock.now()));
  }
  return world;
}

/** Takes a letter from the dead letter queue, as a person does who has read it. */
async function take({ broker }: ReturnType<typeof makeWorld>, messageId: string) {
  const source = { deadLettersOf: SOURCE };
  const letters = await broker.receiveLetters(source, 1_000);
  const letter = letters.find((each) => each.messageId === messageId);
  if (!letter) throw new Error("there is no such letter");
  await broker.defer(source, letter.lockToken, {});
  await broker.completeDeferred({ ...letter, source });
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

  it("costs no look at the dead letter queue as long as none is older than the history", async () => {
    const world = await withLetters(1);
    world.clock.advance(29 * DAY_MS);
    await withoutLetters(world).tick();
    expect(world.lastTick()).toMatchObject({ failed: 0 });
  });
});
