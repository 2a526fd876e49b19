import type { Clock, EpochMs } from "../clock.ts";
import type { Module } from "../modules/module.ts";
import type { RunTable, StoredRun } from "../ports/run-table.ts";
import { type Run, runId } from "../run/run.ts";
import { type Source, sourceKey } from "../run/source.ts";
import { countDemand, freeSlots, NO_DEMAND, type SlotDemand } from "./slot-demand.ts";

/** How old a count of the open runs may be before a trigger counts again. */
const MAX_COUNT_AGE_MS = 10_000;

/** A slot of a run that is being started. */
export interface TakenSlot {
  /** The start is over: from the next count on, the run's row alone says whether it holds a slot. */
  release(): void;
}

/** Gives the slots under `maxActive`: to messages that were just accepted, and to waiting runs in a tick. */
export interface Admission {
  /** Takes a slot for a run that was just accepted; undefined if there is none, or an older run waits for one. */
  admit(module: Module, run: Run): Promise<TakenSlot | undefined>;
  /** Takes a slot for a run that a tick starts; undefined if there is none. */
  take(module: Module, run: Run): TakenSlot | undefined;
  /** Reads the open runs of a source, oldest first, and counts them. A tick does so first. */
  countOpenRuns(source: Source): Promise<StoredRun[]>;
  /** Makes all messages of a source wait, whatever slots are free, as long as the cluster looks like the wrong one. */
  bar(source: Source, isBarred: boolean): void;
}

/**
 * Admits the oldest first, under `maxActive`. The counts are derived from the rows and never kept, so that no leak can
 * stop dispatch for ever. What this process is starting counts as well, because its row may not say so yet. Each
 * replica counts for itself, so N replicas may overshoot by what N - 1 of them start within ten seconds.
 */
export function makeAdmission(table: RunTable, clock: Clock): Admission {
  const counts = new Map<string, { countedAt: EpochMs; demands: Map<string, SlotDemand> }>();
  const counting = new Map<string, Promise<unknown>>();
  /** The runs that this process is starting, by their ids. */
  const starting = new Map<string, Run>();
  /** For each count that is under way, the runs that were being started at any time since it began. */
  const countsUnderWay = new Set<Map<string, Run>>();
  // A hint of the last tick, not state: a replica that forgets it starts no more than the next tick's worth.
  const barred = new Set<string>();

  async function countOpenRuns(source: Source): Promise<StoredRun[]> {
    const key = sourceKey(source);
    // Runs of other sources do no harm: they are of other modules.
    const startingSince = new Map(starting);
    countsUnderWay.add(startingSince);
    try {
      const runs = await table.openRuns(source);
      const countedAt = clock.now();
      const read = runs.map(({ run }) => run);
      counts.set(key, { countedAt, demands: countDemand(asStarted(read, startingSince), countedAt) });
      return runs;
    } finally {
      countsUnderWay.delete(startingSince);
    }
  }

  function take(module: Module, run: Run): TakenSlot | undefined {
    const id = runId(run);
    const slot = { release: () => void starting.delete(id) };
    // A tick takes over a start that a trigger did not get through with: that is one slot and not two.
    if (starting.has(id)) return slot;
    const demands = counts.get(sourceKey(module.source))?.demands;
    const demand = demands?.get(module.name) ?? NO_DEMAND;
    if (!demands || freeSlots(module, demand) === 0) return undefined;
    demands.set(module.name, { ...demand, taken: demand.taken + 1 });
    starting.set(id, run);
    for (const startingSince of countsUnderWay) startingSince.set(id, run);
    return slot;
  }

  return {
    take,
    countOpenRuns,
    bar(source, isBarred) {
      if (isBarred) barred.add(sourceKey(source));
      else barred.delete(sourceKey(source));
    },
    async admit(module, run) {
      const key = sourceKey(module.source);
      if (barred.has(key)) return undefined;
      const known = counts.get(key);
      if (!known || clock.now() - known.countedAt > MAX_COUNT_AGE_MS) {
        // One count at a time: a burst of messages shares it.
        const running = counting.get(key) ?? countOpenRuns(module.source).finally(() => counting.delete(key));
        counting.set(key, running);
        await running;
      }
      const { due } = counts.get(key)?.demands.get(module.name) ?? NO_DEMAND;
      return due === 0 ? take(module, run) : undefined;
    },
  };
}

/** Takes the runs that were being started for dispatched, whether their rows were read before or not at all. */
function asStarted(runs: readonly Run[], starting: ReadonlyMap<string, Run>): readonly Run[] {
  if (starting.size === 0) return runs;
  const unread = new Map(starting);
  const read = runs.map((run): Run => {
    const isStarting = unread.delete(runId(run));
    const hasNoJob = run.status === "accepted" || run.status === "waiting";
    return isStarting && hasNoJob ? { ...run, status: "dispatched" } : run;
  });
  return [...read, ...[...unread.values()].map((run): Run => ({ ...run, status: "dispatched" }))];
}
