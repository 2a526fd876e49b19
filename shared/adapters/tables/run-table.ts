import type { Clock } from "../../clock.ts";
import { ConflictError, UnavailableError } from "../../errors.ts";
import type { InstanceTable } from "../../ports/instance-table.ts";
import type { FoundRun, RunTable, StoredRun } from "../../ports/run-table.ts";
import { type ClosedRun, type RunKey, runId } from "../../run/run.ts";
import { sourceName } from "../../run/source.ts";
import type { StorageConnection } from "../azure/storage-connection.ts";
import { BadRowError } from "./columns.ts";
import { makeInstanceRows } from "./instance-rows.ts";
import { OPEN_ROWS, openRow, runRow, sourcePartition } from "./keys.ts";
import { makeTableRows, type ReadRows, type Row } from "./rows.ts";
import {
  isOpenMark,
  isSameClosing,
  readClosedRun,
  readOpenRun,
  writeClosedRun,
  writeOpenMark,
  writeOpenRun,
} from "./run-entity.ts";
import { makePurge } from "./run-history.ts";

const TABLE_TIMEOUT_MS = 10_000;

export interface AzureTableOptions {
  readonly connection: StorageConnection;
  /** At least 3 letters and digits, a letter first. The table is made if it is missing. */
  readonly tableName: string;
  /** The instance that owns the rows. Instances in one table never see each other's rows. */
  readonly instance: string;
  readonly clock: Clock;
  /** The time-out of each request, its retries included; 10 s by default. */
  readonly timeoutMs?: number;
  /** Is called with each row that can't be read. Such a row is then skipped, because it must not stop the others. */
  readonly onBadRow?: (row: BadRow) => void;
}

/** A row that can't be read, and why. */
export interface BadRow {
  readonly partitionKey: string;
  readonly rowKey: string;
  readonly problem: string;
}

/**
 * Makes the ports to the rows in Azure Tables.
 *
 * | partition | row                                            | holds                                              |
 * | --------- | ---------------------------------------------- | -------------------------------------------------- |
 * | instance  | `owner`                                        | the id stamped on each message that it defers      |
 * | instance  | `source\|<partition of the source>`            | a source that ever had a run, in its own spelling  |
 * | instance  | `module\|<name>`                               | whether the module is tripped, why, and since when |
 * | instance  | `tick`                                         | when a tick last came to its end                   |
 * | source    | `open\|<number>`                               | a run while it is open, whole                      |
 * | source    | `run\|<day enqueued>\|<number>\|<enqueued ms>` | a mark while the run is open, then its outcome     |
 * | source    | `sweep`                                        | the next sequence number to peek at                |
 *
 * Numbers are sequence numbers of 20 digits. The partition of an instance is its name, and that of a source is
 * `<instance>|q|<queue>` or `<instance>|t|<topic>|<subscription>`, escaped.
 *
 * A registry lists the sources, because a table has no cheap way to list its partitions. One query for all open runs
 * would read the history, 30 days of `run|` rows, every 10 seconds. So a tick reads the registry, and then for each
 * source the range of its `open|` rows, which lie together.
 *
 * `open|` guards the changes of a run by its ETag; `run|` guards its identity for as long as the history is kept. Both
 * are written in one transaction when the run opens, closes or reopens, so that they can contradict each other only
 * between two reads.
 */
export function makeAzureTable(options: AzureTableOptions): RunTable & InstanceTable {
  const { instance, onBadRow, timeoutMs = TABLE_TIMEOUT_MS } = options;
  const rows = makeTableRows({ ...options, timeoutMs });

  /** Reads each row by `read`. Reports and leaves out those that it can't read. */
  const readable: ReadRows = (found, read) =>
    found.flatMap((row) => {
      try {
        return [read(row)];
      } catch (error) {
        if (!(error instanceof BadRowError)) throw error;
        onBadRow?.({ partitionKey: row.partitionKey, rowKey: row.rowKey, problem: error.message });
        return [];
      }
    });
  const keysOf = (key: RunKey) => {
    const partitionKey = sourcePartition(instance, key.source);
    return {
      open: { partitionKey, rowKey: openRow(key.sequenceNumber) },
      run: { partitionKey, rowKey: runRow(key) },
    };
  };
  const findRunRow = async (key: RunKey): Promise<{ row: Row; closed: ClosedRun | undefined } | undefined> => {
    const { partitionKey, rowKey } = keysOf(key).run;
    const row = await rows.get(partitionKey, rowKey, `looking for run ${runId(key)}`);
    if (row === undefined) return undefined;
    return {
      row,
      closed: isOpenMark(row.columns) ? undefined : strictly(row, () => readClosedRun(key.source, row.columns)),
    };
  };

  return {
    ...makeInstanceRows(rows, instance, readable),

    async find(key): Promise<FoundRun> {
      const { partitionKey, rowKey } = keysOf(key).open;
      // It looks twice, because another replica may close the run between the two reads, and even open a new one of its
      // number.
      for (let look = 1; look <= 2; look += 1) {
        const found = await findRunRow(key);
        if (found === undefined) return { kind: "none" };
        if (found.closed) return { kind: "closed", run: found.closed, etag: found.row.etag };
        const row = await rows.get(partitionKey, rowKey, `reading run ${runId(key)}`);
        if (row === undefined) continue;
        const run = strictly(row, () => readOpenRun(key.source, row.columns));
        if (run.enqueuedAt === key.enqueuedAt) return { kind: "open", stored: { run, etag: row.etag, read: row.read } };
      }
      throw new Error(
        `The rows of run ${runId(key)} contradict each other: ${runRow(key)} says that it is open, but ${rowKey} is missing or another run's (partition ${partitionKey}). The app writes them only together, so that one was edited or deleted by hand: restore it.`,
      );
    },

    async insert(run) {
      const { open, run: lock } = keysOf(run);
      // guard: permanent-lock
      const { etags, read } = await rows.transact(
        [
          { kind: "create", row: { ...writeOpenRun(run), ...open } },
          { kind: "create", row: { ...writeOpenMark(run), ...lock } },
        ],
        `inserting run ${runId(run)}`,
      );
      return { run, etag: etags[0] ?? "", read };
    },

    async openRuns(source) {
      const partition = sourcePartition(instance, source);
      const found = await rows.query(partition, OPEN_ROWS, {}, `listing the open runs of ${sourceName(source)}`);
      return readable(found, ({ columns, etag, read, rowKey }): StoredRun => {
        const run = readOpenRun(source, columns);
        if (openRow(run.sequenceNumber) !== rowKey)
          throw new BadRowError(`column sequenceNumber holds ${run.sequenceNumber}`);
        return { run, etag, read };
      });
    },

    async update(stored, next) {
      sameRun(stored.run, next);
      const { open } = keysOf(next);
      const { etags, read } = await rows.transact(
        [
          // guard: update-etag
          { kind: "replace", row: { ...writeOpenRun(next), ...open }, etag: stored.etag },
        ],
        `updating run ${runId(next)}`,
      );
      return { run: next, etag: etags[0] ?? "", read };
    },

    async close(stored, closed) {
      sameRun(stored.run, closed);
      const { open, run: lock } = keysOf(closed);
      try {
        await rows.transact(
          [
            // guard: close-etag
            { kind: "delete", row: open, etag: stored.etag },
            // While `open|` is as we read it, this row is still its mark, because nothing writes it alone.
            { kind: "replace", row: { ...writeClosedRun(closed), ...lock }, etag: ANY_ETAG },
          ],
          `closing run ${runId(closed)}`,
        );
      } catch (error) {
        if (!(error instanceof ConflictError || error instanceof UnavailableError)) throw error;
        // The first try may have worked, with only its answer lost.
        const found = await findRunRow(closed).catch(() => undefined);
        if (!found?.closed || !isSameClosing(found.closed, closed)) throw error;
      }
    },

    async reopen(closedEtag, run) {
      const { open, run: lock } = keysOf(run);
      const { etags, read } = await rows.transact(
        [
          { kind: "create", row: { ...writeOpenRun(run), ...open } },
          { kind: "replace", row: { ...writeOpenMark(run), ...lock }, etag: closedEtag },
        ],
        `reopening run ${runId(run)}`,
      );
      return { run, etag: etags[0] ?? "", read };
    },

    purge: makePurge(rows, instance),
  };
}

/** Matches any version of a row, as long as there is one. */
const ANY_ETAG = "*";

/** Reads a row that the caller can't do without. Throws an Error that names the row if it can't be read. */
function strictly<T>(row: Row, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(
      `The row ${row.rowKey} of partition ${row.partitionKey} can't be read. Restore it if it was edited by hand.`,
      {
        cause: error,
      },
    );
  }
}

function sameRun(a: RunKey, b: RunKey): void {
  if (runId(a).toLowerCase() === runId(b).toLowerCase()) return;
  throw new Error(`Run ${runId(a)} can't be replaced by run ${runId(b)}.`);
}
