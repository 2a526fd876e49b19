import pLimit from "p-limit";
import { z } from "zod";
import type { Clock } from "../../clock.ts";
import { unlessConflict } from "../../errors.ts";
import type { BrokenRows, Identity, RowCheck, SearchRow } from "../../ports/row-check.ts";
import { type RunKey, runId } from "../../run/run.ts";
import { type Source, sourceName } from "../../run/source.ts";
import { count, decoded, long, time } from "./columns.ts";
import {
  after,
  type KeyRange,
  notedRow,
  openRowOf,
  RUN_ROWS,
  runRow,
  SEARCH_ROWS,
  sourcePartition,
  workRow,
} from "./keys.ts";
import { readUpTo } from "./read-up-to.ts";
import type { ReadRows, Row, TableRows } from "./rows.ts";
import { isMark, isNewer, placeOf, readStoredRun, writeMark, writeOpenRun } from "./run-entity.ts";
import { ANY_ETAG } from "./run-steps.ts";
import { searchRows } from "./search-rows.ts";

/** How often the rows of a run are looked at that may move between two reads. */
const LOOKS = 5;
/** Rows that are deleted at once. Those of one moment share a transaction. */
const CONCURRENCY = 32;

/** The columns of a row that name a run. */
const KEY = z.object({ sequenceNumber: long, enqueuedAt: time, redrive: z.exactOptional(count) });

const KEY_COLUMNS = Object.keys(KEY.shape);

/** Makes the part of the port that compares the rows of runs with each other. */
export function makeRowCheck(rows: TableRows, instance: string, clock: Clock, readable: ReadRows): RowCheck {
  const partitionOf = ({ source }: Pick<RunKey, "source">) => sourcePartition(instance, source);

  async function look(key: RunKey, where: string | undefined): Promise<BrokenRows | undefined> {
    const partition = partitionOf(key);
    const read = async (row: string) => rows.get(partition, row, `comparing the rows of run ${runId(key)}`);
    const lock = await read(runRow(key));
    if (lock && (isNewer(lock.columns) || !isMark(lock.columns))) return undefined;
    const places = new Set([workRow(key), lock && placeOf(lock.columns), where].filter((row) => row !== undefined));
    const found = (await Promise.all([...places].map(read))).find((row) => row !== undefined);
    if (found && isNewer(found.columns)) return undefined;
    if (lock) return found ? undefined : { kind: "no run", key, etag: lock.etag };
    const [stored] = found ? readable([found], (row) => readStoredRun(row, key.source)) : [];
    return stored && { kind: "no lock", key, stored };
  }

  return {
    identities: (source, limit, last) =>
      readUpTo(
        (range, size) =>
          rows.query(
            partitionOf({ source }),
            range,
            { limit: size, select: ["status", "version", ...KEY_COLUMNS] },
            `comparing the rows of ${sourceName(source)}`,
          ),
        after(last && runRow(last), RUN_ROWS),
        limit,
        (page) =>
          readable(
            page.filter(({ columns }) => !isNewer(columns)),
            (row) => identityIn(row, source),
          ),
      ),

    async brokenRows(key, row) {
      for (let looks = 1; ; looks += 1) {
        const broken = await look(key, row);
        if (broken === undefined || looks === LOOKS) return broken;
      }
    },

    async lockAgain({ key, stored: { run, row: rowKey, etag, unknown } }) {
      const partitionKey = partitionOf(key);
      const search = searchRows(run, partitionKey);
      const mark = { ...writeMark(run, notedRow(rowKey)), ...search.columns, partitionKey, rowKey: runRow(run) };
      await rows.transact(
        [
          { kind: "create", row: mark },
          // It is written as it was, so that nothing is locked if it changed meanwhile.
          { kind: "replace", row: { ...unknown, ...writeOpenRun(run), partitionKey, rowKey }, etag },
          ...search.steps,
        ],
        `locking run ${runId(run)} again`,
      );
    },

    async putBack({ key, etag }, run) {
      const partitionKey = partitionOf(key);
      if (run === undefined) {
        const row = { partitionKey, rowKey: runRow(key) };
        await rows.transact([{ kind: "delete", row, etag }], `forgetting run ${runId(key)}`);
        return;
      }
      const rowKey = openRowOf(run, clock.now());
      await rows.transact(
        [
          { kind: "create", row: { ...writeOpenRun(run), partitionKey, rowKey } },
          { kind: "merge", row: { ...writeMark(run, notedRow(rowKey)), partitionKey, rowKey: runRow(run) }, etag },
        ],
        `putting run ${runId(run)} back`,
      );
    },

    async searchRows(source, limit, last) {
      const found: SearchRow[] = [];
      for (const kind of SEARCH_ROWS) {
        if (last !== undefined && last >= kind.below) continue;
        const range: KeyRange = last !== undefined && last >= kind.from ? after(last, kind) : kind;
        const page = await readUpTo(
          (part, size) =>
            rows.query(
              partitionOf({ source }),
              part,
              { limit: size, select: ["version", ...KEY_COLUMNS] },
              `comparing the rows of ${sourceName(source)}`,
            ),
          range,
          limit - found.length,
          (some) =>
            readable(
              some.filter(({ columns }) => !isNewer(columns)),
              ({ rowKey, columns }) => ({ source, row: rowKey, ...decoded(KEY, columns) }),
            ),
        );
        found.push(...page);
        if (found.length === limit) break;
      }
      return found;
    },

    async removeSearchRows(source, found) {
      const partitionKey = partitionOf({ source });
      const doing = `removing rows of ${sourceName(source)} that find no run`;
      await pLimit(CONCURRENCY).map([...found], ({ row: rowKey }) =>
        rows
          .transact([{ kind: "delete", row: { partitionKey, rowKey }, etag: ANY_ETAG }], doing)
          .then(() => {}, unlessConflict),
      );
    },
  };
}

function identityIn({ columns }: Row, source: Source): Identity {
  return { source, ...decoded(KEY, columns), isOpen: isMark(columns) };
}
