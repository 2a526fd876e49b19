import type { EpochMs } from "../clock.ts";
import type { Module } from "../modules/module.ts";
import type { Run } from "../run/run.ts";

/** How many of a module's open runs hold a slot, and how many wait for one. */
export interface SlotDemand {
  /** Runs that have a Job. */
  readonly taken: number;
  /** Waiting runs whose time has come. They are older than any message that arrives now. */
  readonly due: number;
}

export const NO_DEMAND: SlotDemand = { taken: 0, due: 0 };

/**
 * Counts what a source's open runs ask of each module's slots. Trigger and tick both use this count, and there is no
 * other.
 */
export function countDemand(runs: Iterable<Run>, now: EpochMs): Map<string, SlotDemand> {
  const demands = new Map<string, SlotDemand>();
  for (const run of runs) {
    const { taken, due } = demands.get(run.module) ?? NO_DEMAND;
    const isDue = run.status === "waiting" && run.notBefore <= now;
    demands.set(run.module, { taken: taken + (run.status === "dispatched" ? 1 : 0), due: due + (isDue ? 1 : 0) });
  }
  return demands;
}

/** Says how many slots a module has left; never below 0. */
export function freeSlots({ maxActive }: Module, { taken }: SlotDemand = NO_DEMAND): number {
  return Math.max(0, maxActive - taken);
}
