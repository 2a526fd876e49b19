import { odata } from "@azure/data-tables";
import { ConflictError } from "../../errors.ts";
import type { RunTable } from "../../ports/run-table.ts";
import { sourceName } from "../../run/source.ts";
import { runRowsUpTo, sourcePartition } from "./keys.ts";
import type { Row, TableRows } from "./rows.ts";

/** What a transaction may hold. */
const TRANSACTION_LIMIT = 100;

/**
 * Deletes closed runs by the time of their closing. Keys go by the day of enqueueing, which is no later: the range of keys that can hold
 * such a run is read, filtered by the service, and each row is deleted only as it was read.
 */
export function makePurge(rows: TableRows, instance: string): RunTable["purge"] {
  return async (source, closedBefore, limit) => {
    const doing = `purging the history of ${sourceName(source)}`;
    const found = await rows.query(
      sourcePartition(instance, source),
      runRowsUpTo(closedBefore),
      // The mark of an open run has no such column, and so never matches.
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

/** Resolves to how many of them were still as they had been read, and are gone. */
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
  // Somebody reopened or purged one of them, which failed them all: one by one, the others go.
  let deleted = 0;
  for (const row of found) deleted += await deleteUnchanged(rows, [row], doing);
  return deleted;
}
