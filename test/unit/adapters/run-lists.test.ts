import { describe, expect, it } from "vitest";
import { runRow } from "../../../shared/adapters/tables/keys.ts";
import type { Row } from "../../../shared/adapters/tables/rows.ts";
import { writeMark } from "../../../shared/adapters/tables/run-entity.ts";
import { runId } from "../../../shared/run/run.ts";
import { aRun, T0 } from "../../support/a-run.ts";
import { listsOf } from "../../support/lists-of.ts";
import { makeTestClock } from "../../support/test-clock.ts";

const DAY_MS = 86_400_000;
const { source } = aRun();

/** The n-th run of a history, of which `perDay` are enqueued on each day. */
const nth = (n: number, perDay = Number.POSITIVE_INFINITY) =>
  aRun({ sequenceNumber: n, enqueuedAt: T0 + Math.floor(n / perDay) * DAY_MS + (n % 1_000) });

/** A table whose runs are closed, apart from every `every`-th, which waits for a retry. It counts what is read. */
function historyOf(count: number, every: number, perDay?: number) {
  const clock = makeTestClock();
  const runs = Array.from({ length: count }, (_, n) => nth(n + 1, perDay));
  const rows: Row[] = runs
    .map((run, n) => ({
      partitionKey: "p",
      rowKey: runRow(run),
      etag: "e",
      read: clock.read(),
      columns: n % every === 0 ? writeMark(run, "later|x") : { status: "succeeded", version: 1 },
    }))
    .toSorted((a, b) => (a.rowKey < b.rowKey ? -1 : 1));
  const read = { requests: 0, rows: 0 };
  const { knownToWait } = listsOf(rows, clock, (found) => {
    read.requests += 1;
    read.rows += found;
  });
  return { knownToWait, runs, waiting: runs.filter((_, n) => n % every === 0), read };
}

describe("the runs that are known to wait", () => {
  it.each([
    { where: "close together", count: 20_000, every: 20, most: { requests: 21, rows: 20_000 } },
    { where: "far apart", count: 60_000, every: 3_000, most: { requests: 20, rows: 20 } },
    { where: "on many days", count: 20_000, every: 20, perDay: 900, most: { requests: 24, rows: 20_000 } },
  ])("are all of those that are asked for, $where in the history", async ({ count, every, perDay, most }) => {
    const { knownToWait, waiting, read } = historyOf(count, every, perDay);
    const known = await knownToWait(source, waiting);
    expect(known).toEqual(new Set(waiting.map(runId)));
    expect(read.requests).toBeLessThanOrEqual(most.requests);
    expect(read.rows).toBeLessThanOrEqual(most.rows);
  });

  it("are none of the others, and cost no more rows if two are at the ends of a long history", async () => {
    const { knownToWait, runs, read } = historyOf(50_000, 7);
    const [first, second, last] = [runs[0], runs[1], runs.at(-2)];
    if (!first || !second || !last) throw new Error("no runs");
    expect(await knownToWait(source, [last, second, first])).toEqual(new Set([runId(first)]));
    expect(read).toEqual({ requests: 2, rows: 3 });
  });
});
