import type { EpochMs } from "../clock.ts";
import { CLOSED_STATUSES, type ClosedStatus } from "./run.ts";
import { addOne, type CountsBy } from "./tick-counts.ts";

/** Ends are counted together for so long, and forgotten together. */
const SLOT_MS = 5 * 60_000;
/** So many slots are an hour. */
const SLOTS = 12;

/** How many runs of each module were closed lately, by outcome. */
export interface RecentEnds {
  /** What was closed before is not counted: an hour ago, or when the first end of all was noted. */
  readonly since: EpochMs;
  readonly modules: Readonly<Record<string, CountsBy<ClosedStatus>>>;
  /** For each module, when the five minutes began in which its first run was closed; not before `since`. */
  readonly firstAt: Readonly<Record<string, EpochMs>>;
}

/** What was closed of one module in the last hour, slot by slot. */
export interface EndsLately {
  /** When the first slot begins, an hour ago at most. */
  readonly since: EpochMs;
  /** How long a slot is. */
  readonly slotMs: number;
  /** One number for each slot, the oldest first. The last slot is not over yet. */
  readonly done: readonly number[];
  /** Likewise. */
  readonly failed: readonly number[];
}

type ModuleEnds = Record<string, Partial<Record<ClosedStatus, number>>>;

/** The ends of the last hour, as the replicas add to them. */
export interface EndsBySlot {
  /** When the first replica began to count. */
  readonly since: EpochMs;
  /** By the time at which a slot of five minutes begins, then by module. */
  readonly slots: Readonly<Record<number, Readonly<Record<string, CountsBy<ClosedStatus>>>>>;
}

/** Counts one more end in the slot of its time. */
export function addEnd(slots: Map<EpochMs, ModuleEnds>, run: Ended): void {
  const slot = slotOf(run.closedAt);
  const modules = slots.get(slot) ?? {};
  slots.set(slot, modules);
  const counts = (modules[run.module] ??= {});
  addOne(counts, run.status);
}

interface Ended {
  readonly module: string;
  readonly status: ClosedStatus;
  readonly closedAt: EpochMs;
}

/** Adds ends to those that were noted, and leaves out what was closed more than an hour ago. */
export function addEnds(
  noted: EndsBySlot | undefined,
  added: { readonly since: EpochMs; readonly slots: ReadonlyMap<EpochMs, ModuleEnds> },
  now: EpochMs,
): EndsBySlot {
  const slots: Record<number, ModuleEnds> = {};
  const all = [...Object.entries(noted?.slots ?? {}), ...added.slots];
  for (const [begin, modules] of all) {
    const slot = Number(begin);
    if (slot >= oldestSlot(now)) addModules((slots[slot] ??= {}), modules);
  }
  return { since: Math.min(noted?.since ?? added.since, added.since), slots };
}

/** Sums the ends of the last hour. */
export function recentEnds(noted: EndsBySlot | undefined, now: EpochMs): RecentEnds {
  const modules: ModuleEnds = {};
  const firstAt: Record<string, EpochMs> = {};
  const since = Math.max(noted?.since ?? now, oldestSlot(now));
  for (const [begin, ends] of Object.entries(noted?.slots ?? {})) {
    const slot = Number(begin);
    if (slot < oldestSlot(now)) continue;
    addModules(modules, ends);
    for (const module of Object.keys(ends)) firstAt[module] = Math.max(since, Math.min(slot, firstAt[module] ?? slot));
  }
  return { since, modules, firstAt };
}

/** Gives the ends of a module in the last hour, slot by slot. */
export function endsLately(noted: EndsBySlot | undefined, module: string, now: EpochMs): EndsLately {
  const since = oldestSlot(now);
  const slots = Array.from({ length: SLOTS }, (_, slot) =>
    doneAndFailed(noted?.slots[since + slot * SLOT_MS]?.[module] ?? {}),
  );
  return { since, slotMs: SLOT_MS, done: slots.map(({ done }) => done), failed: slots.map(({ failed }) => failed) };
}

/** Says how many of these were done, and how many failed. What a person cancelled is neither. */
export function doneAndFailed({ succeeded = 0, failed = 0, rejected = 0, lost = 0 }: CountsBy<ClosedStatus>): {
  readonly done: number;
  readonly failed: number;
} {
  return { done: succeeded, failed: failed + rejected + lost };
}

/** How fast the runs of a module ended lately. */
interface Pace {
  /** So many of those that had a place were closed since then. Each made room for one in line. */
  readonly closed: number;
  readonly since: EpochMs;
  /** How long it took for each of them. Undefined if none was closed, so that nothing tells. */
  readonly eachMs?: number;
}

/** Says how fast the runs of a module ended since `since`. What was rejected had no place. */
export function paceOf(
  { since, succeeded = 0, failed = 0, cancelled = 0 }: CountsBy<ClosedStatus> & { readonly since: EpochMs },
  now: EpochMs,
): Pace {
  const closed = succeeded + failed + cancelled;
  return { closed, since, ...(closed > 0 && now > since ? { eachMs: (now - since) / closed } : {}) };
}

function addModules(sums: ModuleEnds, ends: Readonly<Record<string, CountsBy<ClosedStatus>>>): void {
  for (const [module, counts] of Object.entries(ends)) {
    const sum = (sums[module] ??= {});
    for (const status of CLOSED_STATUSES)
      if (counts[status] !== undefined) sum[status] = (sum[status] ?? 0) + counts[status];
  }
}

function slotOf(time: EpochMs): EpochMs {
  return Math.floor(time / SLOT_MS) * SLOT_MS;
}

function oldestSlot(now: EpochMs): EpochMs {
  return slotOf(now) - (SLOTS - 1) * SLOT_MS;
}
