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
 * That costs some twenty requests of one key, three of them at a time, and one for each thousand runs; some more if
 * other subscriptions have most of the numbers.
 */
export function newestFirst(
  deps: { readonly table: Pick<LookDependencies["table"], "closedRuns" | "runBehind"> },
  { source, day, dayMs, since, until }: DayOfClosed,
): (limit: number, given: Given | undefined) => Promise<ClosedRun[]> {
  let bottom: Promise<number | undefined> | undefined;

  /** Reads the runs whose numbers are above `from` and below `top`. */
  const between = (from: number, top: number, limit: number) =>
    deps.table.closedRuns(source, day, limit, { source, sequenceNumber: from, enqueuedAt: day + dayMs - 1 }, top);

  /** The number behind which the wanted ones begin; undefined if the day has none. */
  async function findBottom(): Promise<number | undefined> {
    const first = await deps.table.runBehind(source, day, 0);
    if (first === undefined || first.enqueuedAt >= until) return undefined;
    if (first.enqueuedAt >= since) return first.sequenceNumber - 1;
    return numberBefore(deps, source, { day, since });
  }

  /** A number below which all wanted ones are, and few others. */
  async function findTop(): Promise<number> {
    const last = await numberBefore(deps, source, { day, since: until });
    return (last ?? 0) + CLOSE_ENOUGH + 1;
  }

  return async (limit, given) => {
    const [end, begin] = await Promise.all([
      (bottom ??= findBottom()),
      given === undefined ? findTop() : given.sequenceNumber + 1,
    ]);
    if (end === undefined) return [];
    const found: ClosedRun[] = [];
    let top = begin;
    const most = limit + (given?.runs ?? 0);
    // The first range begins a little above the newest run.
    const above = given === undefined ? CLOSE_ENOUGH : 0;
    for (
      let size = Math.min(MOST_AT_ONCE - 1, Math.max(most + above, CLOSE_ENOUGH));
      found.length < most && top > end + 1;
    ) {
      const from = Math.max(end, top - 1 - size);
      const rows = size === 1 ? MOST_AT_ONCE : Math.min(MOST_AT_ONCE, top - from + CLOSE_ENOUGH);
      const page = await between(from, top, rows);
      // More rows may be in this range than are read at once, so that the newest of them are missing.
      if (page.length === rows && size > 1) size = Math.ceil(size / 4);
      else {
        found.push(...page.toReversed());
        top = from + 1;
        if (page.length < size / 4) size *= 4;
        // The runs that are left to find take so many numbers, if they lie as close together as these.
        else size = Math.ceil(((most - found.length) * size) / page.length);
      }
    }
    return found.slice(given?.runs ?? 0, most);
  };
}
