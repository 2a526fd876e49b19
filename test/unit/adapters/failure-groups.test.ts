import { afterAll, beforeAll, expect, it } from "vitest";
import { startTableServer, type TableServer } from "../../../local/table-server/start-table-server.ts";
import { deadLetterRow } from "../../../shared/adapters/tables/dead-rows.ts";
import { sourcePartition } from "../../../shared/adapters/tables/keys.ts";
import { makeAzureTable } from "../../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../../shared/clock.ts";
import { notedLetter } from "../../../shared/run/dead-letter.ts";
import { aRun, closing, T0 } from "../../support/a-run.ts";

const { source } = aRun();
const TABLE = "FailureGroups";
const instance = "dispatcher";

let server: TableServer;
beforeAll(async () => {
  server = await startTableServer();
});
afterAll(() => server.close());

/** Puts so many letters of each group into the table, by their last words. */
function seed(table: string, sizes: Readonly<Record<string, number>>, over: Record<string, unknown> = {}): void {
  const partition = sourcePartition(instance, source);
  const rows = Object.entries(sizes).flatMap(([said, size]) =>
    Array.from({ length: size }, (_, index) => {
      const description = `no Job, attempt 1 of 1: ${said}`;
      const verdict = { outcome: "failed", reason: "JobFailed", description } as const;
      const run = aRun({ sequenceNumber: index + 1, enqueuedAt: T0 + said.length });
      const closed = closing(run, { status: "failed", verdict, closedAt: T0 + index });
      return deadLetterRow(notedLetter(closed), partition).steps;
    }),
  );
  server.seed(
    table,
    rows.flat().map(({ row: { partitionKey, rowKey, ...columns } }) => ({
      partitionKey,
      rowKey,
      columns: { ...columns, ...over },
    })),
  );
}

const open = (tableName: string) =>
  makeAzureTable({
    connection: { kind: "connectionString", value: server.connectionString },
    tableName,
    instance,
    clock: systemClock,
  });

it("counts each group up to 1,000, and says that it may have more then", async () => {
  seed(TABLE, { "full disk": 2_500, "no file": 999, "out of memory": 1_000, "no route": 1_001, once: 1 });
  const table = open(TABLE);
  await table.sources();
  const before = server.counts();
  const { groups } = await table.failureGroups(source, undefined, 9);
  const found = groups.map(({ newest, count, isMore, firstAt }) => {
    return [newest.group.text, newest.closedAt - T0, count, isMore, firstAt - T0];
  });
  expect(found).toEqual([
    ["full disk", 2_499, 1_000, true, 1_500],
    ["no route", 1_000, 1_000, true, 1],
    ["out of memory", 999, 1_000, true, 0],
    ["no file", 998, 999, false, 0],
    ["once", 0, 1, false, 0],
  ]);
  const after = server.counts();
  // Seven of them read keys, and five the newest letter of a group.
  expect(after.requests - before.requests).toBeLessThanOrEqual(12);
  expect(after.read - before.read).toBeLessThan(6_000);
});

it("lists a letter that an older release noted, without its own last words", async () => {
  const name = `${TABLE}Older`;
  seed(name, { "disk 12 is full": 1 }, { lastWords: undefined });
  const [letter, ...others] = await open(name).deadLetters(source, {}, 9);
  expect(letter).toMatchObject({ group: { text: "disk # is full" } });
  expect(letter).not.toHaveProperty("lastWords");
  expect(others).toEqual([]);
});

it("passes over the groups that a newer release wrote", async () => {
  const name = `${TABLE}Newer`;
  seed(name, { "full disk": 1 }, { version: 99 });
  expect(await open(name).failureGroups(source, undefined, 9)).toEqual({ groups: [], others: 0 });
});
