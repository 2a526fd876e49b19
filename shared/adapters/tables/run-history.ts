import { odata } from "@azure/data-tables";
import { ConflictError } from "../../errors.ts";
import type { RunTable } from "../../ports/run-table.ts";
import { sourceName } from "../../run/source.ts";
import { runRowsUpTo, sourcePartition } from "./keys.ts";
import type { Row, TableRows } from "./rows.ts";

/** The most deletes in one transaction. */
const TRANSACTION_LIMIT = 100;

/**
 * Makes the purge, which deletes closed runs by the time of their closing. Keys hold the day of enqueueing, which is
 * never later, so that it reads the range of keys up to that day, filtered by the service. It deletes each row only if
 * it is still as it was read.
 */
export function makePurge(rows: TableRows, instance: string): RunTable["purge"] {
  return async (source, closedBefore, limit) => {
    const doing = `purging the history of ${sourceName(source)}`;
    const found = await rows.query(
      sourcePartition(instance, source),
      runRowsUpTo(closedBefore),
      // The mark of an open run has no such column, so that it never matches.
      { filter: odata`closedAt lt ${new Date(closedBefore)}`, select: ["closedAt"], limit },
      doing,
    );
    let purged = 0;
    for (let at = 0; at < found.length; at += TRANSACTION_LIMIT) {
      purged += await deleteUnchanged(rows, found.slice(at, at + TRANSACTION_LIMIT), doing);
    }
    return purged;
  };
}

/** Deletes those rows that are still as they were read. Resolves to how many. */
async function deleteUnchanged(rows: TableRows, found: readonly Row[], doing: string): Promise<number> {
  try {
    await rows.transact(
      found.map(({ partitionKey, rowKey, etag }) => ({ kind: "delete", row: { partitionKey, rowKey }, etag })),
      doing,
    );
    return found.length;
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    if (found.length === 1) return 0;
  }
  // Another replica reopened or purged one row, which failed the whole transaction. The others are deleted one by one.
  let deleted = 0;
  for (const row of found) deleted += await deleteUnchanged(rows, [row], doing);
  return deleted;
}
