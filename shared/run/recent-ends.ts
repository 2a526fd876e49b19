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
  for (const [slot, ends] of Object.entries(noted?.slots ?? {}))
    if (Number(slot) >= oldestSlot(now)) addModules(modules, ends);
  return { since: Math.max(noted?.since ?? now, oldestSlot(now)), modules };
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
