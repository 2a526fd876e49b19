import pLimit from "p-limit";
import type { Clock } from "../../clock.ts";
import type { ModuleLater, ModuleQueue, Place, RunTable, StoredRun } from "../../ports/run-table.ts";
import { inLineSince, runId } from "../../run/run.ts";
import { type Source, sourceName } from "../../run/source.ts";
import {
  after,
  aheadOf,
  HOLD_ROWS,
  heldOf,
  type KeyRange,
  LATER_ROWS,
  LINES,
  laterIn,
  lineAt,
  lineOf,
  linesAfter,
  READY_ROWS,
  runRanges,
  runRow,
  sourcePartition,
  turnIn,
  WORK_ROWS,
} from "./keys.ts";
import { PAGE, readUpTo } from "./read-up-to.ts";
import type { ReadRows, Row, TableRows } from "./rows.ts";
import { isMark, isNewer, placeOf, readRunInSlot, readStoredRun, SLOT_COLUMNS } from "./run-entity.ts";

/** Rows that are read at a time under due times. They are usually not due. */
const LATER_PAGE = 100;

/** Ranges that are read at once. */
const CONCURRENCY = 16;

/** The rows of each place. */
const ROWS_OF: Readonly<Record<Place, KeyRange>> = {
  work: WORK_ROWS,
  line: LINES,
  later: LATER_ROWS,
  held: HOLD_ROWS,
};

type Lists = Pick<
  RunTable,
  | "anyReady"
  | "atWork"
  | "slotsAtWork"
  | "later"
  | "allLater"
  | "heads"
  | "line"
  | "heldHeads"
  | "held"
  | "inPlace"
  | "queues"
  | "laterCounts"
  | "ahead"
  | "knownToWait"
>;

/** Makes the part of the port that lists runs by ranges of their rows. */
export function makeRunLists({
  rows,
  instance,
  clock,
  readable,
  moveOldRows,
}: {
  readonly rows: TableRows;
  readonly instance: string;
  readonly clock: Clock;
  readonly readable: ReadRows;
  readonly moveOldRows: (source: Source) => Promise<void>;
}): Lists {
  const read = (source: Source, range: KeyRange, limit: number, what: string) =>
    rows.query(sourcePartition(instance, source), range, { limit }, `listing ${what} of ${sourceName(source)}`);
  const runsIn = (source: Source, found: readonly Row[]) =>
    readable(
      found.filter(({ columns }) => !isNewer(columns)),
      (row) => readStoredRun(row, source),
    );

  /** Lists the first run of each line of a range: of its modules' lines, or of what is held under each. */
  const firsts = async (source: Source, lines: KeyRange, what: string): Promise<StoredRun[]> => {
    const heads: StoredRun[] = [];
    for (let range = lines; ; ) {
      const [first] = await read(source, range, 1, what);
      if (!first) return heads;
      const [head] = runsIn(source, [first]);
      // If the first row can't be read, the line is not empty all the same.
      const [next] = head ? [head] : runsIn(source, await read(source, lineAt(first.rowKey), PAGE, what));
      if (next) heads.push(next);
      range = linesAfter(first.rowKey, lines);
    }
  };

  /** Lists runs of a range. Fewer than `limit` are the last ones. */
  const runsUpTo = (source: Source, range: KeyRange, limit: number, what: string): Promise<StoredRun[]> =>
    readUpTo(
      (part, size) => read(source, part, size, what),
      range,
      limit,
      (page) => runsIn(source, page),
    );

  /** Reads the runs at work by `readPage`, which is given no row of a newer release. */
  const readAtWork = async <T>(
    source: Source,
    columns: { readonly select?: string[] },
    readPage: (page: readonly Row[]) => readonly T[],
  ): Promise<{ runs: T[]; newer: string[] }> => {
    await moveOldRows(source);
    const runs: T[] = [];
    const newer: string[] = [];
    const doing = `listing the runs at work of ${sourceName(source)}`;
    // Each page is read as it comes, because the rows of thousands of runs take more memory than the runs.
    for await (const page of rows.pages(sourcePartition(instance, source), WORK_ROWS, columns, doing)) {
      runs.push(...readPage(page.filter((row) => !isNewer(row.columns))));
      newer.push(...page.filter((row) => isNewer(row.columns)).map((row) => String(row.columns.module)));
    }
    return { runs, newer };
  };

  return {
    async anyReady(source) {
      await moveOldRows(source);
      const options = { limit: 1, select: ["status"] };
      const doing = `looking for runs of ${sourceName(source)}`;
      return (await rows.query(sourcePartition(instance, source), READY_ROWS, options, doing)).length > 0;
    },

    atWork: (source) => readAtWork(source, {}, (page) => runsIn(source, page)),
    slotsAtWork: (source) =>
      readAtWork(source, { select: SLOT_COLUMNS }, (page) =>
        readable(page, (row) => ({ run: readRunInSlot(row, source) })),
      ),

    async later(source, limit) {
      const due: StoredRun[] = [];
      for (let range = LATER_ROWS; ; ) {
        const page = await read(source, range, LATER_PAGE, "the runs that come due");
        const now = clock.now();
        // A row that can't be read is passed over, and what comes after it is read all the same.
        const runs = runsIn(source, page);
        due.push(...runs.filter(({ run }) => run.notBefore <= now));
        const others = runs.some(({ run }) => run.notBefore > now);
        const last = page.at(-1);
        if (due.length >= limit) return { due: due.slice(0, limit), others: true };
        if (others || !last || page.length < LATER_PAGE) return { due, others };
        range = after(last.rowKey, range);
      }
    },

    allLater: (source, limit, row) => runsUpTo(source, after(row, LATER_ROWS), limit, "the runs that wait to come due"),

    heads: (source) => firsts(source, LINES, "the lines"),
    heldHeads: (source) => firsts(source, HOLD_ROWS, "what is held"),

    line: (source, module, limit, row) => runsUpTo(source, after(row, lineOf(module)), limit, `the line of ${module}`),
    held: (source, module, limit, row) => runsUpTo(source, after(row, heldOf(module)), limit, "what is held"),

    inPlace: (source, place, limit, row) =>
      runsUpTo(source, after(row, ROWS_OF[place]), limit, `the open runs (${place})`),

    async queues(source, place, most) {
      const queues = new Map<string, ModuleQueue>();
      const partition = sourcePartition(instance, source);
      const doing = `counting what waits of ${sourceName(source)}`;
      for (let range = ROWS_OF[place]; ; ) {
        const page = await rows.query(partition, range, { limit: most, select: [] }, doing);
        for (const { rowKey } of page) {
          const { from } = lineAt(rowKey);
          const { module, turn } = turnIn(rowKey);
          const { count, firstAt } = queues.get(from) ?? { count: 0, firstAt: turn };
          queues.set(from, { module, firstAt, count: Math.min(most, count + 1), isMore: count + 1 >= most });
        }
        const last = page.at(-1)?.rowKey;
        if (last === undefined || page.length < most) return [...queues.values()];
        range = queues.get(lineAt(last).from)?.isMore ? linesAfter(last, range) : after(last, range);
      }
    },

    async laterCounts(source, most) {
      const select = ["attempt", "absentSince", "acceptedAt"];
      const doing = `counting the runs that wait to come due of ${sourceName(source)}`;
      const found = await rows.query(sourcePartition(instance, source), LATER_ROWS, { limit: most, select }, doing);
      const modules = new Map<string, ModuleLater>();
      for (const { rowKey, columns } of found) {
        const { module, ...run } = laterIn(rowKey);
        const acceptedAt = columns.acceptedAt instanceof Date ? columns.acceptedAt.getTime() : 0;
        const turn = inLineSince({ ...run, acceptedAt });
        const before = modules.get(module) ?? { module, count: 0, doubted: 0, first: 0, oldestAt: turn };
        const isDoubted = columns.absentSince instanceof Date;
        modules.set(module, {
          module,
          count: before.count + 1,
          doubted: before.doubted + (isDoubted ? 1 : 0),
          first: before.first + (!isDoubted && columns.attempt === 1 ? 1 : 0),
          oldestAt: Math.min(before.oldestAt, turn),
        });
      }
      return { modules: [...modules.values()], isMore: found.length >= most };
    },

    async ahead(run, most) {
      const options = { limit: most, select: ["status"] };
      const doing = `counting the runs in front of ${runId(run)}`;
      const { length } = await rows.query(sourcePartition(instance, run.source), aheadOf(run), options, doing);
      return { count: length, isMore: length >= most };
    },

    async knownToWait(source, keys) {
      const wanted = new Map(keys.map((key) => [runRow(key), runId(key)]));
      const found = await pLimit(CONCURRENCY).map(runRanges(keys, PAGE), (range) =>
        rows.query(
          sourcePartition(instance, source),
          range,
          { select: ["status", "at", "version"] },
          `comparing messages of ${sourceName(source)} with their runs`,
        ),
      );
      const waiting = found
        .flat()
        .filter(({ columns }) => isNewer(columns) || (isMark(columns) && placeOf(columns) !== undefined));
      return new Set(waiting.flatMap(({ rowKey }) => wanted.get(rowKey) ?? []));
    },
  };
}
