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

/**
 * How many runs of a module may be at work without a Job. A tick puts away what ended since the last one, which is at most
 * `maxActive`, so that twice as many are there only if they can't be put away. A hundred cost a tick nothing, and single
 * messages that can't be settled must not stop a module that has few slots.
 */
const MOST_UNSETTLED = { always: 100, perSlot: 2 };

/**
 * Counts the runs of each module that are at work and hold no slot: those whose Job is about to be created, and those whose
 * Job is over and that are not requeued or settled yet.
 */
export function countUnsettled(runs: Iterable<Pick<Run, "module" | "status">>): Map<string, number> {
  const unsettled = new Map<string, number>();
  for (const { module, status } of runs)
    if (status !== "dispatched") unsettled.set(module, (unsettled.get(module) ?? 0) + 1);
  return unsettled;
}

/**
 * Says whether so many runs of a module are at work without a Job that no more are to start. Every tick reads all of them,
 * and without this bound a bus that settles nothing would have it read the whole backlog in the end.
 */
export function isBackedUp({ maxActive }: Module, unsettled = 0): boolean {
  return unsettled > Math.max(MOST_UNSETTLED.always, MOST_UNSETTLED.perSlot * maxActive);
}
