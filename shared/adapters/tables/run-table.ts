import type { Clock, ServiceClock } from "../../clock.ts";
import { ConflictError, UnavailableError } from "../../errors.ts";
import type { InstanceTable } from "../../ports/instance-table.ts";
import type { FoundRun, RunTable, StoredClosedRun, StoredRun } from "../../ports/run-table.ts";
import { notedLetter } from "../../run/dead-letter.ts";
import { isSameId, type Run, type RunKey, runId } from "../../run/run.ts";
import type { StorageConnection } from "../azure/storage-connection.ts";
import { actionSteps } from "./action-rows.ts";
import { BadRowError } from "./columns.ts";
import { deadLetterRow, listedRow, makeDeadLetters, noteAgain, takeLetter } from "./dead-rows.ts";
import { makeForgetLetters } from "./forget-letters.ts";
import { makeInstanceRows } from "./instance-rows.ts";
import { notedRow, openRowOf, runRow, sourcePartition, workRow } from "./keys.ts";
import { makeLetterRuns } from "./letter-runs.ts";
import { makeMoveOldRows } from "./old-rows.ts";
import { makeRowCheck } from "./row-check.ts";
import { makeTableRows, type ReadRows, type Row, strictly } from "./rows.ts";
import {
  isMark,
  isNewer,
  isOld,
  isSameClosing,
  placeOf,
  readStoredClosedRun,
  readStoredRun,
  writeClosedRun,
  writeMark,
  writeOpenRun,
} from "./run-entity.ts";
import { makeDays, makePurge, makePurgeLetters } from "./run-history.ts";
import { makeRunLists } from "./run-lists.ts";
import { ANY_ETAG, markStep } from "./run-steps.ts";
import { makeSearch, searchRows } from "./search-rows.ts";
import type { Step } from "./transactions.ts";

const TABLE_TIMEOUT_MS = 10_000;

export interface AzureTableOptions {
  readonly connection: StorageConnection;
  /** At least 3 letters and digits, a letter first. The table is made if it is missing. */
  readonly tableName: string;
  /** The instance that owns the rows. Instances in one table never see each other's rows. */
  readonly instance: string;
  readonly clock: Clock;
  /** Is called with the time of the service that each answer names, and both clocks before its request was sent. */
  readonly onServiceTime?: ServiceClock["hear"];
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
 * | partition | row                                            | holds                                                |
 * | --------- | ---------------------------------------------- | ---------------------------------------------------- |
 * | instance  | `owner`                                        | the id stamped on each message that it defers        |
 * | instance  | `source\|<partition of the source>`            | a source that ever had a run, in its own spelling    |
 * | instance  | `module\|<name>`                               | whether the module is tripped, why, and since when   |
 * | instance  | `limit\|<module>`                             | how many of its Jobs a person lets be at work, and why |
 * | instance  | `action\|<inverted ms>\|<random>`              | what a person did, the newest first                  |
 * | instance  | `redrive\|<partition of the source>`           | the last redrive of a source, and how far it came    |
 * | instance  | `gate\|m\|<module>`, `gate\|q\|<queue>` ..     | whether what is rejected is held instead, and why    |
 * | instance  | `tick`                                         | when a tick last came to its end, and what it counted |
 * | instance  | `lease`                                        | which replica ticks, and until when                  |
 * | instance  | `ends`                                         | how many runs were closed in the last hour           |
 * | instance  | `cluster`                                      | the uid of the namespace that the Jobs are in        |
 * | instance  | `held\|<partition of the source>`              | a source whose runs are held, why, and since when    |
 * | source    | `work\|<id>`                                   | a run at work, whole                                 |
 * | source    | `wait\|<module>\|<enqueued ms>\|<id>`          | a run that waits for a slot, whole: its place in line |
 * | source    | `later\|<due ms>\|<module>\|<id>`              | a run that waits until it is due, whole              |
 * | source    | `hold\|<module or ->\|<id>`                   | a run that is held at a gate, whole                  |
 * | source    | `run\|<day enqueued>\|<number>\|<enqueued ms>` | a mark while the run is open, then its outcome       |
 * | source    | `msg\|<hash>\|<id>`, `corr\|<hash>\|<id>`      | the message id, or the correlation id, of a run      |
 * | source    | `action\|<inverted ms>\|<random>`              | what a person did to a run, the newest first         |
 * | source    | `dead\|<module or ->\|<reason>\|<group>\|<closed>\|<id>` | a closed run whose message was dead-lettered |
 * | source    | `sweep`                                        | the next sequence number to peek at                  |
 *
 * An id is `<number>|<enqueued ms>`. That of a redriven run has `|r<n>` behind it, and so has its `run|` row. Numbers
 * are sequence numbers of 20 digits, and times have 15. `<closed>` is the time of closing, written so that the latest
 * sorts first. The partition of an instance is its name, and that of a source is `<instance>|q|<queue>` or
 * `<instance>|t|<topic>|<subscription>`, escaped.
 *
 * A registry lists the sources, because a table has no cheap way to list its partitions. A tick reads the registry, and
 * then for each source what is at work, what has come due, and the front of those lines that have a free slot. However
 * many runs wait, it reads no more.
 *
 * An open run has exactly one row of `work|`, `wait|`, `later|` and `hold|`, which guards its changes by its ETag. Moving
 * it deletes one and creates another in one transaction. `run|` guards its identity for as long as the history is kept.
 * It is written in the same transaction when the run opens, closes, reopens or comes to wait, and says then where.
 *
 * Only people read `msg|`, `corr|` and `dead|`, and no decision rests on them. They are written when the run opens or
 * closes, in the same transaction. The `run|` row names those that its run has, so that the purge deletes them with it.
 */
export function makeAzureTable(options: AzureTableOptions): RunTable & InstanceTable {
  const { clock, instance, onBadRow, timeoutMs = TABLE_TIMEOUT_MS } = options;
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
  const partitionOf = ({ source }: Pick<RunKey, "source">) => sourcePartition(instance, source);
  const moveOldRows = makeMoveOldRows({ rows, instance, clock, readable });

  const findClosed = async (key: RunKey): Promise<StoredClosedRun | undefined> => {
    const row = await rows.get(partitionOf(key), runRow(key), `looking for run ${runId(key)}`);
    return row === undefined || isMark(row.columns) || isNewer(row.columns)
      ? undefined
      : strictly(row, () => readStoredClosedRun(row, key.source));
  };

  /** Inserts an open run. A waiting one joins its line at once. `also`: what else belongs to the transaction. */
  const begin = async (run: Run, also: readonly Step[], doing: string): Promise<StoredRun> => {
    const partitionKey = partitionOf(run);
    const rowKey = openRowOf(run, run.notBefore);
    const search = searchRows(run, partitionKey);
    const mark = { ...writeMark(run, notedRow(rowKey)), ...search.columns, partitionKey, rowKey: runRow(run) };
    // guard: permanent-lock
    const { etags, read } = await rows.transact(
      [
        { kind: "create", row: { ...writeOpenRun(run), partitionKey, rowKey } },
        { kind: "create", row: mark },
        ...search.steps,
        ...also,
      ],
      doing,
    );
    return { run, etag: etags[0] ?? "", read, row: rowKey };
  };

  return {
    ...makeInstanceRows(rows, instance, readable),
    ...makeRunLists({ rows, instance, clock, readable, moveOldRows }),

    async find(key): Promise<FoundRun> {
      const partition = partitionOf(key);
      const doing = `looking for run ${runId(key)}`;
      const read = async (rowKey: string) => rows.get(partition, rowKey, doing);
      // A run at work is asked for most often. It may move between two reads, so it is looked for more than once.
      for (let look = 1; look <= MAX_LOOKS; look += 1) {
        const atWork = await read(workRow(key));
        if (atWork) return openRow(atWork, () => readStoredRun(atWork, key.source));
        const mark = await read(runRow(key));
        if (mark === undefined) return { kind: "none" };
        if (isNewer(mark.columns)) return { kind: "newer" };
        if (!isMark(mark.columns))
          return { kind: "closed", ...strictly(mark, () => readStoredClosedRun(mark, key.source)) };
        const place = placeOf(mark.columns);
        const waiting = place === undefined ? undefined : await read(place);
        if (waiting) return openRow(waiting, () => readStoredRun(waiting, key.source));
        if (isOld(mark.columns)) await moveOldRows(key.source, { only: key });
      }
      throw new ConflictError(
        `Run ${runId(key)} moved on with each of ${MAX_LOOKS} looks. If that lasts, its row was deleted by hand: ${runRow(key)} says that it is open, but neither ${workRow(key)} nor the row that it names is there (partition ${partition}). Restore that row, or have it made anew: dispatcher audit --repair`,
      );
    },

    async insert(run) {
      return await begin(run, [], `inserting run ${runId(run)}`);
    },

    async update(stored, next, action) {
      sameRun(stored.run, next);
      const partitionKey = partitionOf(next);
      const rowKey = openRowOf(next, clock.now());
      const row = { ...stored.unknown, ...writeOpenRun(next), partitionKey, rowKey };
      const noted = notedRow(rowKey);
      const moved: Step[] =
        rowKey === stored.row
          ? [
              // guard: update-etag, same place
              { kind: "replace", row, etag: stored.etag },
            ]
          : [
              { kind: "create", row },
              // guard: update-etag, other place
              { kind: "delete", row: { partitionKey, rowKey: stored.row }, etag: stored.etag },
              ...(noted === undefined ? [] : [markStep(next, partitionKey, noted)]),
            ];
      const { etags, read } = await rows.transact(
        [...moved, ...actionSteps(partitionKey, action)],
        `updating run ${runId(next)}`,
      );
      return { ...stored, run: next, etag: etags[0] ?? "", read, row: rowKey };
    },

    async close(stored, closed, letter = notedLetter(closed)) {
      sameRun(stored.run, closed);
      const partitionKey = partitionOf(closed);
      const dead = deadLetterRow(letter, partitionKey);
      const outcome = { ...stored.unknown, ...writeClosedRun(closed), ...dead.columns };
      try {
        await rows.transact(
          [
            // guard: close-etag
            { kind: "delete", row: { partitionKey, rowKey: stored.row }, etag: stored.etag },
            // As long as the run's row is as we read it, this one is still its mark, because nothing writes it alone.
            { kind: "merge", row: { ...outcome, partitionKey, rowKey: runRow(closed) }, etag: ANY_ETAG },
            ...dead.steps,
          ],
          `closing run ${runId(closed)}`,
        );
      } catch (error) {
        if (!(error instanceof ConflictError || error instanceof UnavailableError)) throw error;
        // The first try may have worked, with only its answer lost.
        const found = await findClosed(closed).catch(() => undefined);
        if (!found || !isSameClosing(found.run, closed)) throw error;
      }
    },

    async reopen(closed, run) {
      const partitionKey = partitionOf(run);
      const rowKey = openRowOf(run, clock.now());
      const search = searchRows(run, partitionKey);
      const mark = { ...closed.unknown, ...writeMark(run, notedRow(rowKey)), ...search.columns };
      const { etags, read } = await rows.transact(
        [
          { kind: "create", row: { ...closed.unknown, ...writeOpenRun(run), partitionKey, rowKey } },
          { kind: "replace", row: { ...mark, partitionKey, rowKey: runRow(run) }, etag: closed.etag },
          ...search.steps,
        ],
        `reopening run ${runId(run)}`,
      );
      const { unknown } = closed;
      const stored = { run, etag: etags[0] ?? "", read, row: rowKey };
      return unknown === undefined ? stored : { ...stored, unknown };
    },

    async claim(run, earlier) {
      const partitionKey = partitionOf(run);
      const doing = `redriving run ${runId(run)}`;
      if (earlier === undefined) return await begin(run, [], doing);
      const listed = listedRow(earlier);
      try {
        return await begin(run, takeLetter(partitionKey, earlier, listed), doing);
      } catch (error) {
        if (!(error instanceof ConflictError) || listed === undefined) throw error;
        if ((await rows.get(partitionKey, listed, doing)) !== undefined) throw error;
        // A person or another program deleted that row. By the ETag of the run's row only one claims the letter.
        return await begin(run, takeLetter(partitionKey, earlier, undefined), doing);
      }
    },

    async noteLetter(earlier, letter) {
      const { run } = earlier;
      await rows.transact(
        noteAgain(partitionOf(run), earlier, letter),
        `noting the dead letter of run ${runId(run)} again`,
      );
    },

    ...makeLetterRuns(rows, instance, readable),
    ...makeSearch(rows, instance, readable),
    ...makeRowCheck(rows, instance, clock, readable),
    ...makeDeadLetters(rows, instance, readable),
    forgetLetters: makeForgetLetters(rows, instance),
    ...makeDays(rows, instance, readable),
    purge: makePurge(rows, instance, readable),
    purgeLetters: makePurgeLetters(rows, instance, readable),
  };
}

/** How often a run is looked for that moves between two reads. */
const MAX_LOOKS = 5;

function openRow(row: Row, read: () => StoredRun): FoundRun {
  return isNewer(row.columns) ? { kind: "newer" } : { kind: "open", stored: strictly(row, read) };
}

function sameRun(a: RunKey, b: RunKey): void {
  if (isSameId(runId(a), runId(b))) return;
  throw new Error(`Run ${runId(a)} can't be replaced by run ${runId(b)}.`);
}
