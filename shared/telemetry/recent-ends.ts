import type { Clock } from "../clock.ts";
import { CLOSED_STATUSES, type ClosedStatus } from "../run/run.ts";
import { addOne, type RecentEnds } from "../run/tick-counts.ts";
import type { EventReader } from "./events.ts";

/** Ends are counted together for so long, and forgotten together. */
const SLOT_MS = 5 * 60_000;
/** So many slots are an hour. */
const SLOTS = 12;

/** Counts what this process closes, module by module, and forgets it after an hour. */
export interface RecentEndsCount {
  readonly read: EventReader;
  counts(): RecentEnds;
}

/** Makes the count, from nothing. It goes by the monotonic clock. */
export function makeRecentEnds(clock: Clock): RecentEndsCount {
  const slotNow = () => Math.floor(clock.read().monotonicMs / SLOT_MS);
  const startedAt = clock.read().monotonicMs;
  const slots = new Map<number, Map<string, Partial<Record<ClosedStatus, number>>>>();

  function forgetOld(now: number): void {
    for (const slot of slots.keys()) if (slot <= now - SLOTS) slots.delete(slot);
  }

  return {
    read(event) {
      if (event.event !== "closed") return;
      const now = slotNow();
      forgetOld(now);
      const modules = slots.get(now) ?? new Map<string, Partial<Record<ClosedStatus, number>>>();
      slots.set(now, modules);
      const counts = modules.get(event.run.module) ?? {};
      modules.set(event.run.module, counts);
      addOne(counts, event.run.status);
    },
    counts() {
      const now = slotNow();
      forgetOld(now);
      const sums = new Map<string, Partial<Record<ClosedStatus, number>>>();
      for (const modules of slots.values())
        for (const [module, counts] of modules) {
          const sum = sums.get(module) ?? {};
          sums.set(module, sum);
          for (const status of CLOSED_STATUSES)
            if (counts[status] !== undefined) sum[status] = (sum[status] ?? 0) + counts[status];
        }
      const sinceMs = Math.max(startedAt, (now - SLOTS + 1) * SLOT_MS);
      return {
        since: Math.round(clock.now() - (clock.read().monotonicMs - sinceMs)),
        modules: Object.fromEntries(sums),
      };
    },
  };
}
