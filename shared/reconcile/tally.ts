import type { EpochMs } from "../clock.ts";
import type { Fields } from "../log.ts";
import type { Run } from "../run/run.ts";

/** What one tick did, counted for its one log line, which alerts query. */
export interface Tally {
  open: number;
  oldestOpen: EpochMs | undefined;
  started: number;
  completed: number;
  deadLettered: number;
  requeued: number;
  lost: number;
  /** Runs that nothing was done about, by why. */
  readonly left: Map<string, number>;
  /** Dispatched runs whose Job is over its own time limits and still not over: only a person may force it. */
  overdue: number;
  /** Deferred messages or Jobs that no open run speaks of. */
  orphans: number;
  failed: number;
  /** Runs that this tick had no time for. */
  postponed: number;
}

export function makeTally(): Tally {
  return {
    open: 0,
    oldestOpen: undefined,
    started: 0,
    completed: 0,
    deadLettered: 0,
    requeued: 0,
    lost: 0,
    left: new Map(),
    overdue: 0,
    orphans: 0,
    failed: 0,
    postponed: 0,
  };
}

export function countOpen(tally: Tally, run: Run): void {
  tally.open += 1;
  tally.oldestOpen = Math.min(tally.oldestOpen ?? run.enqueuedAt, run.enqueuedAt);
}

export function countLeft(tally: Tally, why: string): void {
  tally.left.set(why, (tally.left.get(why) ?? 0) + 1);
}

/** The fields of the tick's line. `waiting` counts by cause. Ages and durations in ms. */
export function tallyFields(tally: Tally, now: EpochMs, startedAt: EpochMs): Fields {
  const { left, oldestOpen, ...counts } = tally;
  return {
    ...counts,
    settled: tally.completed + tally.deadLettered,
    oldestAgeMs: oldestOpen === undefined ? 0 : now - oldestOpen,
    waiting: Object.fromEntries(left),
    ms: now - startedAt,
  };
}
