import { odata } from "@azure/data-tables";
import pLimit from "p-limit";
import { ConflictError } from "../../errors.ts";
import type { RunTable } from "../../ports/run-table.ts";
import { sourceName } from "../../run/source.ts";
import {
  after,
  deadRow,
  type KeyRange,
  runIn,
  runRow,
  runRowsBelow,
  runRowsFrom,
  runRowsUpTo,
  sourcePartition,
} from "./keys.ts";
import { readUpTo } from "./read-up-to.ts";
import type { ReadRows, Row, TableRows } from "./rows.ts";
import { isMark, isNewer, namesDeadLetter, OTHER_ROWS_COLUMNS, otherRowsIn, readClosedRun } from "./run-entity.ts";
import { ANY_ETAG } from "./run-steps.ts";
import type { Step } from "./transactions.ts";

/** The most deletes in one transaction. */
const TRANSACTION_LIMIT = 100;

/** Rows that are read at once. */
const CONCURRENCY = 16;

/** What is to be purged: the `run|` row of a closed run and the keys of its other rows, or a row that has no others. */
interface Purged {
  readonly row: Pick<Row, "partitionKey" | "rowKey" | "etag">;
  readonly others: readonly string[];
}

/** Makes the part of the port that reads the runs of a day. */
export function makeDays(
  rows: TableRows,
  instance: string,
  readable: ReadRows,
): Pick<RunTable, "closedRuns" | "runBehind"> {
  return {
    closedRuns: (source, day, limit, last, below) =>
      readUpTo(
        (range, size) =>
          rows.query(
            sourcePartition(instance, source),
            range,
            { limit: size, filter: odata`status ne ${"open"}` },
            `listing the closed runs of ${sourceName(source)}`,
          ),
        after(last && runRow(last), runRowsBelow(day, below)),
        limit,
        (page) =>
          readable(
            page.filter(({ columns }) => !isNewer(columns)),
            ({ columns }) => readClosedRun(source, columns),
          ),
      ),

    async runBehind(source, day, sequenceNumber) {
      const range = runRowsFrom(day, sequenceNumber + 1);
      const doing = `looking for runs of ${sourceName(source)}`;
      const [row] = await rows.query(sourcePartition(instance, source), range, { limit: 1, select: [] }, doing);
      return row && runIn(row.rowKey);
    },
  };
}

/**
 * Makes the purge, which deletes closed runs by the time of their closing. Keys hold the day of enqueueing, which is
 * never later, so that it reads the range of keys up to that day, filtered by the service. It deletes each run only if
 * it is still as it was read, and its other rows with it.
 */
export function makePurge(rows: TableRows, instance: string, readable: ReadRows): RunTable["purge"] {
  return async (source, closedBefore, limit) => {
    const doing = `purging the history of ${sourceName(source)}`;
    const due: Purged[] = [];
    const pages = rows.pages(
      sourcePartition(instance, source),
      runRowsUpTo(closedBefore),
      // The mark of an open run has no such column, so that it never matches.
      { filter: odata`closedAt lt ${new Date(closedBefore)}`, select: ["closedAt", ...OTHER_ROWS_COLUMNS] },
      doing,
    );
    for await (const page of pages) {
      due.push(
        ...readable(
          page.filter(({ columns }) => !namesDeadLetter(columns)),
          purgedOf,
        ),
      );
      if (due.length >= limit) break;
    }
    return deleteAll(rows, due.slice(0, limit), doing);
  };
}

/** Deletes at most `limit` rows of a range, if they are still as they were read. Resolves to how many. */
export async function purgeRange(
  rows: TableRows,
  partitionKey: string,
  range: KeyRange,
  limit: number,
  doing: string,
): Promise<number> {
  const found = await rows.query(partitionKey, range, { select: [], limit }, doing);
  return deleteAll(
    rows,
    found.map((row) => ({ row, others: [] })),
    doing,
  );
}

/** Makes the purge of runs by their dead letters. */
export function makePurgeLetters(rows: TableRows, instance: string, readable: ReadRows): RunTable["purgeLetters"] {
  return async (source, letters) => {
    const partitionKey = sourcePartition(instance, source);
    const doing = `purging dead letters of ${sourceName(source)}`;
    const found = await pLimit(CONCURRENCY).map(letters, async (letter): Promise<Purged[]> => {
      const row = await rows.get(partitionKey, runRow(letter), doing);
      const own = { partitionKey, rowKey: deadRow(letter), etag: letter.etag };
      // A release that knows no dead letters has purged the run alone.
      if (row === undefined) return [{ row: own, others: [] }];
      return isMark(row.columns) || isNewer(row.columns) ? [] : readable([row], purgedOf);
    });
    await deleteAll(rows, found.flat(), doing);
  };
}

function purgedOf(row: Row): Purged {
  return { row, others: otherRowsIn(row.columns) };
}

/** Deletes those runs that are still as they were read. Resolves to how many. */
async function deleteAll(rows: TableRows, runs: readonly Purged[], doing: string): Promise<number> {
  let deleted = 0;
  for (const batch of batchesOf(runs)) deleted += await deleteUnchanged(rows, batch, doing);
  return deleted;
}

/** Groups runs so that the rows of each group fit into one transaction. */
function batchesOf(runs: readonly Purged[]): Purged[][] {
  const batches: Purged[][] = [];
  let size = TRANSACTION_LIMIT;
  for (const run of runs) {
    const more = 1 + run.others.length;
    if (size + more > TRANSACTION_LIMIT) {
      batches.push([]);
      size = 0;
    }
    batches.at(-1)?.push(run);
    size += more;
  }
  return batches;
}

/** Deletes the runs of one transaction, or those of them that it can. */
async function deleteUnchanged(rows: TableRows, runs: readonly Purged[], doing: string): Promise<number> {
  try {
    await rows.transact(runs.flatMap(deleteSteps), doing);
    return runs.length;
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
  }
  // Another replica reopened or purged one run, or one row was deleted by hand, which failed the whole transaction. The
  // others are deleted one by one.
  let deleted = 0;
  for (const run of runs) deleted += (await deleteOne(rows, run, doing)) ? 1 : 0;
  return deleted;
}

/** Deletes one run with those of its other rows that are there. */
async function deleteOne(rows: TableRows, { row, others }: Purged, doing: string): Promise<boolean> {
  const held = await Promise.all(others.map((rowKey) => rows.get(row.partitionKey, rowKey, doing)));
  const left = others.filter((_, index) => held[index] !== undefined);
  try {
    await rows.transact(deleteSteps({ row, others: left }), doing);
    return true;
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return false;
  }
}

function deleteSteps({ row: { partitionKey, rowKey, etag }, others }: Purged): Step[] {
  return [
    { kind: "delete", row: { partitionKey, rowKey }, etag },
    ...others.map((other): Step => ({ kind: "delete", row: { partitionKey, rowKey: other }, etag: ANY_ETAG })),
  ];
}
