import { expect, it } from "vitest";
import { openRowOf } from "../../../shared/adapters/tables/keys.ts";
import type { Row } from "../../../shared/adapters/tables/rows.ts";
import { writeOpenRun } from "../../../shared/adapters/tables/run-entity.ts";
import type { Run } from "../../../shared/run/run.ts";
import { aRun, T0 } from "../../support/a-run.ts";
import { listsOf } from "../../support/lists-of.ts";
import { makeTestClock } from "../../support/test-clock.ts";

const clock = makeTestClock();
function lists(runs: readonly Run[], isBad: (n: number) => boolean) {
  const rows: Row[] = runs
    .map((run, n) => ({
      partitionKey: "p",
      rowKey: openRowOf(run, clock.now()),
      etag: "e",
      columns: { ...writeOpenRun(run), ...(isBad(n) ? { version: 99 } : {}) },
      read: clock.read(),
    }))
    .toSorted((a, b) => (a.rowKey < b.rowKey ? -1 : 1));
  return listsOf(rows, clock);
}
const waiting = (n: number): Run => ({
  ...aRun(),
  status: "waiting",
  sequenceNumber: n,
  enqueuedAt: T0 - 100_000 + n,
  notBefore: T0,
});
const SOURCE = aRun().source;

it("gives those behind 21 rows of a newer release their turn (maxActive 1)", async () => {
  const all = Array.from({ length: 40 }, (_, n) => waiting(n + 1));
  const { line, heads } = lists(all, (n) => n < 21);
  expect((await heads(SOURCE)).map(({ run }) => run.sequenceNumber)).toEqual([22]);
  // What takeTurns asks for: 1 place + 20 spare.
  expect((await line(SOURCE, "thumbnail", 21)).length).toBeGreaterThan(0);
});

it("says that a line is not empty whose first row is a newer release's (admission asks for one)", async () => {
  const { line } = lists([waiting(1), waiting(2)], (n) => n === 0);
  expect((await line(SOURCE, "thumbnail", 1)).length).toBe(1);
});

it("fills a page of held runs, though a row in between can't be read, so that only the last page has fewer", async () => {
  const all = Array.from({ length: 10 }, (_, n): Run => ({ ...waiting(n + 1), status: "held" }));
  const { held } = lists(all, (n) => n === 1);
  const numbers = async (after?: string) =>
    (await held(SOURCE, "thumbnail", 4, after)).map(({ run }) => run.sequenceNumber);
  expect(await numbers()).toEqual([1, 3, 4, 5]);
  expect(await numbers((await held(SOURCE, "thumbnail", 4)).at(-1)?.row)).toEqual([6, 7, 8, 9]);
});
