import type { Module } from "../modules/module.ts";
import type { Run } from "../run/run.ts";

/**
 * Counts how many slots of each module are taken: one by each run that has a Job. Trigger and tick both use this count,
 * and there is no other.
 */
export function countTaken(runs: Iterable<Pick<Run, "module" | "status">>): Map<string, number> {
  const taken = new Map<string, number>();
  for (const { module, status } of runs) if (status === "dispatched") taken.set(module, (taken.get(module) ?? 0) + 1);
  return taken;
}

/** Says how many slots a module has left; never below 0. */
export function freeSlots({ maxActive }: Module, taken = 0): number {
  return Math.max(0, maxActive - taken);
}
