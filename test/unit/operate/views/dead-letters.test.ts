import { describe, expect, it } from "vitest";
import type { LettersChosen } from "../../../../shared/operate/chosen-letters.ts";
import { deadGroups } from "../../../../shared/operate/views/dead-groups.ts";
import { deadLetter, deadLetters, type LettersListed } from "../../../../shared/operate/views/dead-letters.ts";
import { type ExportedLetter, exportLetters } from "../../../../shared/operate/views/export-letters.ts";
import { type NotedLetter, notedLetter } from "../../../../shared/run/dead-letter.ts";
import type { Reason } from "../../../../shared/run/reasons.ts";
import { type Run, runId } from "../../../../shared/run/run.ts";
import { aRun, closing, T0 } from "../../../support/a-run.ts";
import { makeWorld, SOURCE, ticks, type World } from "../../../support/world.ts";

const OTHER = { topic: "images", subscription: "thumbnails" };

/** Closes a run whose message was dead-lettered, `sequenceNumber` ms after the others. */
async function fail(
  world: World,
  over: Partial<Run>,
  said = "disk 1 is full",
  reason: Reason = "JobFailed",
  exitCode = 7,
) {
  const run = aRun(over);
  const verdict = { outcome: "failed", reason, exitCode, description: `no Job, attempt 1 of 1: ${said}` } as const;
  const closed = closing(run, { status: "failed", verdict, closedAt: T0 + run.sequenceNumber });
  await world.table.registerSource(run.source);
  await world.table.close(await world.table.insert(run), closed);
  const letter = notedLetter(closed);
  if (!letter) throw new Error("not dead-lettered");
  return letter;
}

describe("the failure groups", () => {
  it("of an instance without dead letters are none", async () => {
    expect(await deadGroups(makeWorld().deps, { limit: 9 })).toEqual({ groups: [], others: 0 });
  });

  it("are of all sources, the largest first, with count, times and the newest letter", async () => {
    const world = makeWorld();
    await fail(world, { sequenceNumber: 1 }, "no such file");
    for (const sequenceNumber of [2, 5]) await fail(world, { sequenceNumber, source: OTHER, module: "b" });
    const newest = await fail(world, { sequenceNumber: 7, source: OTHER, module: "b" }, "disk 9999 is full");
    const { groups, others } = await deadGroups(world.deps, { limit: 9 });
    expect(others).toBe(0);
    expect(groups.map(({ module, count }) => [module, count])).toEqual([
      ["b", 3],
      ["thumbnail", 1],
    ]);
    expect(groups[0]).toEqual({
      id: newest.group.id,
      text: "disk # is full",
      module: "b",
      reason: "JobFailed",
      exitCode: 7,
      count: 3,
      isMore: false,
      firstAt: T0 + 2,
      lastAt: T0 + 7,
      sample: { ...newest, description: "no Job, attempt 1 of 1: disk 9999 is full" },
    });
    expect((await deadGroups(world.deps, { module: "thumbnail", limit: 9 })).groups).toEqual(groups.slice(1));
    expect(await deadGroups(world.deps, { limit: 1 })).toEqual({ groups: groups.slice(0, 1), others: 1 });
  });

  it("that several sources share are one, counted up to 1,000", async () => {
    const world = makeWorld();
    for (let n = 1; n <= 600; n += 1) {
      await fail(world, { sequenceNumber: n, module: "" }, "no module takes it");
      await fail(world, { sequenceNumber: n + 1_000, module: "", source: OTHER }, "no module takes it");
    }
    const { groups } = await deadGroups(world.deps, { limit: 9 });
    expect(groups).toMatchObject([{ module: "", count: 1_000, isMore: true, firstAt: T0 + 1, lastAt: T0 + 1_600 }]);
  });
});

describe("the list of dead letters", () => {
  it("goes from source to source, page by page", async () => {
    const world = makeWorld();
    for (const sequenceNumber of [1, 2, 3]) await fail(world, { sequenceNumber });
    for (const sequenceNumber of [4, 5]) await fail(world, { sequenceNumber, source: OTHER, module: "b" });
    const numbers = ({ letters }: Awaited<ReturnType<typeof deadLetters>>) =>
      letters.map(({ sequenceNumber }) => sequenceNumber);
    const all = await deadLetters(world.deps, {}, { limit: 9 });
    expect(numbers(all)).toEqual([3, 2, 1, 5, 4]);
    expect([all.scanned, all.next]).toEqual([5, undefined]);
    const first = await deadLetters(world.deps, {}, { limit: 2 });
    expect([numbers(first), first.scanned, first.next]).toEqual([[3, 2], 2, first.letters.at(-1)]);
    const second = await deadLetters(world.deps, {}, { limit: 2, after: first.letters.at(-1) });
    expect([numbers(second), second.next]).toEqual([[1, 5], second.letters.at(-1)]);
    const third = await deadLetters(world.deps, {}, { limit: 2, after: second.letters.at(-1) });
    expect([numbers(third), third.next]).toEqual([[4], undefined]);
    expect(numbers(await deadLetters(world.deps, { module: "b" }, { limit: 1 }))).toEqual([5]);
  });

  it("has those of an exit code and of a span of time alone, page by page", async () => {
    const world = makeWorld();
    for (const sequenceNumber of [1, 2, 3, 4, 5])
      await fail(world, { sequenceNumber }, undefined, undefined, sequenceNumber % 2 === 0 ? 4 : 7);
    await fail(world, { sequenceNumber: 6, source: OTHER });
    const pages = async (wanted: LettersListed, limit: number) => {
      const found: number[] = [];
      for (let after: NotedLetter | undefined, isMore = true; isMore; isMore = after !== undefined) {
        const page = await deadLetters(world.deps, wanted, { limit, after });
        expect(page.letters.length).toBeLessThanOrEqual(limit);
        found.push(...page.letters.map(({ sequenceNumber }) => sequenceNumber));
        after = page.next;
      }
      return found;
    };
    for (const limit of [1, 2, 9]) {
      expect(await pages({ exitCode: 4 }, limit)).toEqual([4, 2]);
      expect(await pages({ exitCode: 5 }, limit)).toEqual([]);
      expect((await pages({ since: T0 + 2, until: T0 + 5 }, limit)).toSorted((a, b) => a - b)).toEqual([2, 3, 4]);
      expect(await pages({ since: T0 + 3, exitCode: 7, module: "thumbnail" }, limit)).toEqual([5, 3, 6]);
    }
  });

  it("says how far it came if it finds little of what it reads", async () => {
    const world = makeWorld();
    const letter = await fail(world, { sequenceNumber: 1 });
    const all = Array.from({ length: 5_001 }, (_, n) => ({
      ...letter,
      etag: "1",
      sequenceNumber: 5_001 - n,
      exitCode: n === 5_000 ? 4 : 7,
    }));
    world.table.deadLetters = async (_source, _wanted, limit, after) => {
      const from = after ? all.findIndex(({ sequenceNumber }) => sequenceNumber === after.sequenceNumber) + 1 : 0;
      return all.slice(from, from + limit);
    };
    const first = await deadLetters(world.deps, { exitCode: 4 }, { limit: 9 });
    expect(first).toMatchObject({ letters: [], scanned: 5_000, next: { sequenceNumber: 2 } });
    const second = await deadLetters(world.deps, { exitCode: 4 }, { limit: 9, after: first.next });
    expect(second).toMatchObject({ letters: [{ sequenceNumber: 1 }], scanned: 1, next: undefined });
  });
});

describe("a dead letter", () => {
  it("is shown with all that its row says", async () => {
    const world = makeWorld();
    const letter = await fail(world, { sequenceNumber: 3, logsUrl: "https://logs/1" });
    expect(await deadLetter(world.deps, runId(letter))).toMatchObject({
      kind: "dead letter",
      letter,
      run: { logsUrl: "https://logs/1", verdict: { description: "no Job, attempt 1 of 1: disk 1 is full" } },
      onBus: { found: null },
    });
  });

  it("is shown as it lies on the bus, until it is taken out", async () => {
    const world = await withDeadLetters(1);
    const { letters } = await deadLetters(world.deps, {}, { limit: 1 });
    const [letter] = letters;
    const id = letter ? runId(letter) : "";
    const shown = await deadLetter(world.deps, id);
    expect(shown).toMatchObject({
      onBus: {
        found: {
          state: "active",
          bodyBytes: 2,
          stamps: { DeadLetterReason: "JobFailed", "dispatcher-run": id, "dispatcher-exit-code": 64 },
        },
      },
    });
    expect(shown).not.toHaveProperty("onBus.found.stamps.color");
    expect(shown).not.toHaveProperty("onBus.found.stamps.dispatcher-tier");
    const [received] = await world.broker.receiveLetters({ deadLettersOf: SOURCE }, 1);
    await world.broker.defer({ deadLettersOf: SOURCE }, received?.lockToken ?? "", {});
    expect(await deadLetter(world.deps, id)).toMatchObject({ onBus: { found: { state: "deferred" } } });
    world.broker.recreate(SOURCE);
    expect(await deadLetter(world.deps, id)).toMatchObject({ letter, onBus: { found: null } });
    world.broker.remove(SOURCE);
    expect(await deadLetter(world.deps, id)).toMatchObject({
      letter,
      onBus: { unavailable: expect.stringContaining("does not exist") },
    });
  });

  it("is none if there is no such run, or its message had another end", async () => {
    const world = makeWorld();
    const { sequenceNumber, enqueuedAt } = await world.send();
    const id = runId({ source: SOURCE, sequenceNumber, enqueuedAt });
    expect(await deadLetter(world.deps, id)).toEqual({ kind: "open", id });
    world.cluster.succeed(world.jobName());
    await ticks(world, () => world.open().length === 0);
    expect(await deadLetter(world.deps, id)).toEqual({ kind: "other end", status: "succeeded", id });
    expect(await deadLetter(world.deps, `thumbnails:99:${T0}`)).toEqual({ kind: "no such run" });
    expect(await deadLetter(world.deps, "elsewhere:1:1")).toEqual({ kind: "unknown source" });
    expect(await deadLetter(world.deps, "nonsense")).toEqual({ kind: "unknown source" });
  });

  it("is not guessed if a queue and a subscription have the same name", async () => {
    const world = makeWorld();
    const letter = await fail(world, { sequenceNumber: 3, source: { queue: "images/thumbnails" } });
    await fail(world, { sequenceNumber: 3, source: OTHER });
    expect(await deadLetter(world.deps, runId(letter))).toEqual({ kind: "ambiguous name" });
  });
});

describe("the export of dead letters", () => {
  const all = async (world: World, chosen: LettersChosen = {}) => {
    const found: ExportedLetter[] = [];
    for await (const one of exportLetters(world.deps, chosen)) found.push(one);
    return found.map(({ letter, message }) => [letter.sequenceNumber, message && Buffer.from(message.body).toString()]);
  };

  it("has each letter with its message, in the order of the queue, and those that are gone last", async () => {
    const world = await withDeadLetters(3);
    await fail(world, { sequenceNumber: 99 });
    expect(await all(world)).toEqual([
      [1, "{}"],
      [2, "{}"],
      [3, "{}"],
      [99, undefined],
    ]);
    expect(await all(world, { reason: "Cancelled" })).toEqual([]);
    const { letters } = await deadLetters(world.deps, {}, { limit: 9 });
    expect(
      await all(
        world,
        letters.filter(({ sequenceNumber }) => sequenceNumber === 2),
      ),
    ).toEqual([[2, "{}"]]);
  });

  it("takes no letter of another program for one of a run, though their numbers are the same", async () => {
    const world = makeWorld();
    const { lockToken } = world.broker.deliver(SOURCE, { properties: { "dispatcher-run": "thumbnails:7:1" } });
    await world.broker.deadLetterLocked(SOURCE, lockToken, { reason: "x", description: "y", properties: {} });
    const letter = await fail(world, { sequenceNumber: 1, enqueuedAt: world.clock.now() });
    expect(await all(world)).toEqual([[letter.sequenceNumber, undefined]]);
  });
});

/** A world with so many messages that were dead-lettered, one after the other. */
async function withDeadLetters(count: number): Promise<World> {
  const world = makeWorld();
  for (let n = 1; n <= count; n += 1) {
    await world.send({ messageId: `m-${n}`, properties: { "dispatcher-tier": "gold", color: "red" } });
    world.cluster.fail(world.jobName(), 64);
    await ticks(world, () => world.open().length === 0);
  }
  return world;
}
