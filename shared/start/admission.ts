import type { Clock, EpochMs } from "../clock.ts";
import type { Module } from "../modules/module.ts";
import type { RunTable } from "../ports/run-table.ts";
import type { Run } from "../run/run.ts";
import { type Source, sourceKey } from "../run/source.ts";
import { countDemand, freeSlots, type SlotDemand } from "./slots.ts";

/** How old a count of the open runs may be before a trigger counts again. */
const MAX_COUNT_AGE_MS = 10_000;

/** Says whether a message that was just accepted may start at once, or waits its turn. */
export interface Admission {
  /** Whether the module has a free slot, and no older run waits for it. Takes the slot if so. */
  admits(module: Module): Promise<boolean>;
  /** Takes a fresh count: a tick calls it as soon as it has read all open rows of a source. */
  recount(source: Source, runs: Iterable<Run>): void;
  /** Makes all messages of a source wait, whatever slots are free, as long as the cluster looks like the wrong one. */
  bar(source: Source, isBarred: boolean): void;
}

/**
 * Admits the oldest first, under `maxActive`. The counts are derived from the rows and never kept, so that no leak can
 * stop dispatch for ever. Each replica counts for itself, so N replicas may overshoot by what N - 1 of them start
 * within ten seconds.
 */
export function makeAdmission(table: RunTable, clock: Clock): Admission {
  const counts = new Map<string, { countedAt: EpochMs; demands: Map<string, SlotDemand> }>();
  const counting = new Map<string, Promise<void>>();
  // A hint of the last tick, not state: a replica that forgets it starts no more than the next tick's worth.
  const barred = new Set<string>();

  function recount(source: Source, runs: Iterable<Run>): void {
    const countedAt = clock.now();
    counts.set(sourceKey(source), { countedAt, demands: countDemand(runs, countedAt) });
  }

  async function count(source: Source): Promise<void> {
    const runs = await table.openRuns(source);
    recount(
      source,
      runs.map(({ run }) => run),
    );
  }

  return {
    recount,
    bar(source, isBarred) {
      if (isBarred) barred.add(sourceKey(source));
      else barred.delete(sourceKey(source));
    },
    async admits(module) {
      const key = sourceKey(module.source);
      if (barred.has(key)) return false;
      const known = counts.get(key);
      if (!known || clock.now() - known.countedAt > MAX_COUNT_AGE_MS) {
        // One count at a time: a burst of messages shares it.
        const running = counting.get(key) ?? count(module.source).finally(() => counting.delete(key));
        counting.set(key, running);
        await running;
      }
      const demands = counts.get(key)?.demands;
      if (!demands) return false;
      const { taken, due } = demands.get(module.name) ?? { taken: 0, due: 0 };
      if (due > 0 || freeSlots(module, { taken, due }) === 0) return false;
      demands.set(module.name, { taken: taken + 1, due });
      return true;
    },
  };
}
