import { describe, expect, it } from "vitest";
import { newestFirst } from "../../../../shared/operate/views/closed-newest.ts";
import { aRun, closing, T0 } from "../../../support/a-run.ts";

const DAY_MS = 86_400_000;
const { source } = aRun();

/** A day on which a message of each of these numbers came every second, and what it took to read. */
function aDay(numbers: readonly number[]) {
  let requests = 0;
  let runs = 0;
  const table = {
    async runBehind(_source: unknown, _day: number, behind: number) {
      requests += 1;
      const n = numbers.findIndex((number) => number > behind);
      const sequenceNumber = numbers[n];
      return sequenceNumber === undefined ? undefined : { sequenceNumber, enqueuedAt: T0 + n * 1_000 };
    },
    async closedRuns(
      _source: unknown,
      _day: number,
      limit: number,
      after?: { readonly sequenceNumber: number },
      below = Number.POSITIVE_INFINITY,
    ) {
      requests += 1;
      const from = numbers.findIndex((number) => number > (after?.sequenceNumber ?? 0));
      const found =
        from < 0
          ? []
          : numbers
              .slice(from, from + limit)
              .filter((number) => number < below)
              .map((sequenceNumber, n) => closing(aRun({ sequenceNumber, enqueuedAt: T0 + (from + n) * 1_000 })));
      runs += found.length;
      return found;
    },
  };
  return {
    requests: () => requests,
    runs: () => runs,
    reader: (over: { readonly since?: number; readonly until?: number } = {}) =>
      newestFirst({ table }, { source, day: T0, dayMs: DAY_MS, since: 0, until: Number.POSITIVE_INFINITY, ...over }),
  };
}

const DENSE = Array.from({ length: 20_000 }, (_, n) => n + 5_000_000);
/** Most numbers belong to messages that this subscription doesn't take. */
const SPARSE = Array.from({ length: 20_000 }, (_, n) => n * 7 + 1 + (n >= 19_950 ? 500_000 : 0));

describe.each([
  { what: "a queue", numbers: DENSE },
  { what: "a subscription that takes few messages", numbers: SPARSE },
  { what: "a day with one run", numbers: [42] },
])("the closed runs of $what", ({ numbers }) => {
  it("come newest first, each once, page by page", async () => {
    const read = aDay(numbers).reader();
    const wanted = numbers.toReversed().slice(0, 700);
    const found: number[] = [];
    for (let last: number | undefined; found.length < wanted.length; last = found.at(-1)) {
      const page = await read(70, last === undefined ? undefined : { sequenceNumber: last, runs: 1 });
      found.push(...page.map(({ sequenceNumber }) => sequenceNumber));
    }
    expect(found).toEqual(wanted);
  });

  it("end with the oldest that is wanted", async () => {
    const since = T0 + Math.max(0, numbers.length - 30) * 1_000;
    const found = await aDay(numbers).reader({ since })(500, undefined);
    const wanted = found.filter(({ enqueuedAt }) => enqueuedAt >= since);
    expect(wanted.map(({ sequenceNumber }) => sequenceNumber)).toEqual(numbers.toReversed().slice(0, 30));
    expect(found.length - wanted.length).toBeLessThan(110);
  });

  it("begin with the newest before a time, and few that are newer", async () => {
    const until = T0 + Math.ceil(numbers.length / 2) * 1_000;
    const found = await aDay(numbers).reader({ until })(300, undefined);
    const newest = numbers[Math.ceil(numbers.length / 2) - 1];
    expect(found.findIndex(({ sequenceNumber }) => sequenceNumber === newest)).toBeLessThanOrEqual(100);
    expect(found.some(({ sequenceNumber }) => sequenceNumber === newest)).toBe(true);
  });

  it("cost some forty requests for the first page", async () => {
    const day = aDay(numbers);
    await day.reader()(100, undefined);
    expect(day.requests()).toBeLessThan(60);
  });
});

it.each([
  { limit: 101, most: 202 },
  { limit: 1_001, most: 1_202 },
])("the first $limit of a queue's runs are read with few others", async ({ limit, most }) => {
  const day = aDay(DENSE);
  expect(await day.reader()(limit, undefined)).toHaveLength(limit);
  expect(day.runs()).toBeLessThanOrEqual(most);
});

it("the redrives of a message have its number, and are on the pages too", async () => {
  const { reader } = aDay([1, 2, 7, 7, 7, 7, 8]);
  const read = reader();
  expect((await read(3, undefined)).map(({ sequenceNumber }) => sequenceNumber)).toEqual([8, 7, 7]);
  const next = await read(3, { sequenceNumber: 7, runs: 2 });
  expect(next.map(({ sequenceNumber }) => sequenceNumber)).toEqual([7, 7, 2]);
});

it("a day without closed runs has none, and one that is not asked for neither", async () => {
  expect(await aDay([]).reader()(10, undefined)).toEqual([]);
  expect(await aDay(DENSE).reader({ until: T0 })(10, undefined)).toEqual([]);
});
