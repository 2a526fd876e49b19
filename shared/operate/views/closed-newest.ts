import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import type { ClosedRun } from "../../run/run.ts";
import type { Source } from "../../run/source.ts";
import { CLOSE_ENOUGH, numberBefore } from "./closed-since.ts";

/** Rows that are read at once, at most. */
const MOST_AT_ONCE = 1_000;

/** The closed runs of one day, and which of them are wanted. */
interface DayOfClosed {
  readonly source: Source;
  readonly day: EpochMs;
  readonly dayMs: number;
  /** Only messages that were enqueued from then on, and before `until`. They may be outside of the day. */
  readonly since: EpochMs;
  readonly until: EpochMs;
}

/** How far a reader came: the number of the last run that it gave, and how many runs of that number it gave. */
export interface Given {
  readonly sequenceNumber: number;
  readonly runs: number;
}

/**
 * Makes a reader of a day's closed runs, the newest first: `limit` of them at most, behind those that were given. Fewer
 * are the last ones. Redriven runs have the number of the run that was before. A table gives rows in one order alone,
 * so that the reader finds the last number of the day, and reads backwards from there, a range of numbers at a time.
 * That costs some thirty requests of one row, and one for each thousand runs; some more if other subscriptions have
 * most of the numbers.
 */
export function newestFirst(
  deps: { readonly table: Pick<LookDependencies["table"], "closedRuns"> },
  { source, day, dayMs, since, until }: DayOfClosed,
): (limit: number, given: Given | undefined) => Promise<ClosedRun[]> {
  let bottom: Promise<number | undefined> | undefined;

  const behind = (limit: number, sequenceNumber: number) =>
    deps.table.closedRuns(source, day, limit, { source, sequenceNumber, enqueuedAt: day + dayMs - 1 });

  /** The number behind which the wanted ones begin; undefined if the day has none. */
  async function findBottom(): Promise<number | undefined> {
    const [first] = await deps.table.closedRuns(source, day, 1);
    if (first === undefined || first.enqueuedAt >= until) return undefined;
    if (first.enqueuedAt >= since) return first.sequenceNumber - 1;
    return numberBefore(deps, source, { day, dayMs, since });
  }

  /** A number below which all wanted ones are, and few others. */
  async function findTop(): Promise<number> {
    const last = await numberBefore(deps, source, { day, dayMs, since: until });
    return (last ?? 0) + CLOSE_ENOUGH + 1;
  }

  return async (limit, given) => {
    const end = await (bottom ??= findBottom());
    if (end === undefined) return [];
    const found: ClosedRun[] = [];
    let top = given === undefined ? await findTop() : given.sequenceNumber + 1;
    const most = limit + (given?.runs ?? 0);
    for (let size = Math.max(most, CLOSE_ENOUGH); found.length < most && top > end + 1; ) {
      const from = Math.max(end, top - 1 - size);
      const rows = size === 1 ? MOST_AT_ONCE : Math.min(MOST_AT_ONCE, top - from + CLOSE_ENOUGH);
      const page = await behind(rows, from);
      const isWhole = page.length < rows || (page.at(-1)?.sequenceNumber ?? 0) >= top;
      // More rows are in this range than are read at once, so that the newest of them are missing.
      if (!isWhole && size > 1) size = Math.ceil(size / 4);
      else {
        const wanted = page.filter(({ sequenceNumber }) => sequenceNumber < top);
        found.push(...wanted.toReversed());
        top = from + 1;
        if (wanted.length < size / 4) size *= 4;
      }
    }
    return found.slice(given?.runs ?? 0, most);
  };
}
