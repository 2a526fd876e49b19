import type { EpochMs } from "../clock.ts";
import { type Hold, inLineSince, type OpenStatus, type Run } from "./run.ts";

/** The statuses of runs that are at work. */
type StatusAtWork = Exclude<OpenStatus, "waiting" | "held">;

/** How many of each; what is not named is 0. */
export type CountsBy<Name extends string> = Readonly<Partial<Record<Name, number>>>;

/** The runs of one module that are at work. */
export interface ModuleAtWork {
  readonly byStatus: CountsBy<StatusAtWork>;
  /** What keeps Jobs of them from starting, as their rows say. */
  readonly heldUpBy: CountsBy<Hold["cause"]>;
  /** Those whose message another receiver holds, so that they can't be settled or requeued yet. */
  readonly busy: number;
  /** Since when the oldest of them has its place: see `inLineSince`. */
  readonly oldestAt: EpochMs;
}

/** What a tick that lists everything may find beside the runs, and a light one does not look for. */
export interface Sightings {
  readonly at: EpochMs;
  readonly overdue: number;
  /** Deferred messages and Jobs that belong to no run. */
  readonly orphans: number;
  /** Those of them that are Jobs. Undefined if an older release counted. */
  readonly orphanJobs?: number;
  readonly undelivered: number;
}

/**
 * What the ticks counted, for operators: a table can't count, and a look must not read ten thousand rows. It is written
 * with the row of the tick, and no replica decides anything by it.
 */
export interface TickCounts {
  /** The runs at work as the tick read them when it began, by module. A module that has none is left out. */
  readonly atWork: Readonly<Record<string, ModuleAtWork>>;
  /** Why the tick left runs that it read and that don't work, by cause; of a long line only the first is read. */
  readonly left: Readonly<Record<string, number>>;
  /** Jobs that have not started for longer than their module's `startTimeout`. */
  readonly notStarted: number;
  /** What failed and is tried again. */
  readonly failed: number;
  /** Runs that the tick had no time for. */
  readonly postponed: number;
  /** The digest of each module's file, as the replica that ticked has read it. Undefined if an older release ticked. */
  readonly files?: Readonly<Record<string, string>>;
  /** Of the last tick that listed. */
  readonly seen?: Sightings;
}

/** Counts runs at work by their modules. */
export function countAtWork(runs: Iterable<Run>, now: EpochMs): Record<string, ModuleAtWork> {
  const modules = new Map<string, Counting>();
  for (const run of runs) {
    if (run.status === "waiting" || run.status === "held") continue;
    const counting = modules.get(run.module) ?? { byStatus: {}, heldUpBy: {}, busy: 0, oldestAt: inLineSince(run) };
    modules.set(run.module, counting);
    addOne(counting.byStatus, run.status);
    if (run.heldUpBy !== undefined) addOne(counting.heldUpBy, run.heldUpBy);
    if (run.busyCount > 0 && now < run.notBefore) counting.busy += 1;
    counting.oldestAt = Math.min(counting.oldestAt, inLineSince(run));
  }
  return Object.fromEntries(modules);
}

interface Counting {
  readonly byStatus: Partial<Record<StatusAtWork, number>>;
  readonly heldUpBy: Partial<Record<Hold["cause"], number>>;
  busy: number;
  oldestAt: EpochMs;
}

/** Counts one more of a name. */
export function addOne<Name extends string>(counts: Partial<Record<Name, number>>, name: Name): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
