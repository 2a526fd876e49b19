import type { EpochMs } from "../clock.ts";
import type { Module } from "../modules/module.ts";
import type { Run } from "../run/run.ts";

/**
 * Whether a run holds a slot: it has a Job, or its Job is being created just now. If the reply to that create is lost, the
 * Job may be at work all the same, until a tick has looked.
 */
export function holdsSlot({ status, notBefore }: Pick<Run, "status" | "notBefore">, now: EpochMs): boolean {
  return status === "dispatched" || (status === "accepted" && now < notBefore);
}

/** Counts how many slots of each module these runs hold. Trigger and tick both use this count, and there is no other. */
export function countTaken(
  runs: Iterable<Pick<Run, "module" | "status" | "notBefore">>,
  now: EpochMs,
): Map<string, number> {
  const taken = new Map<string, number>();
  for (const run of runs) if (holdsSlot(run, now)) taken.set(run.module, (taken.get(run.module) ?? 0) + 1);
  return taken;
}

/** Says how many of a module's slots are left; never below 0. */
export function freeSlots(slots: number, taken = 0): number {
  return Math.max(0, slots - taken);
}

/**
 * How many runs of a module may be at work without a Job. A tick puts away what ended since the last one, which is at most
 * `maxActive`, so that twice as many are there only if they can't be put away. A hundred cost a tick nothing, and single
 * messages that can't be settled must not stop a module that has few slots.
 */
const MOST_UNSETTLED = { always: 100, perSlot: 2 };

/**
 * Counts the runs of each module that are at work and have no Job by their rows: those whose Job is about to be created, and
 * those whose Job is over and that are not requeued or settled yet.
 */
export function countUnsettled(runs: Iterable<Pick<Run, "module" | "status">>): Map<string, number> {
  const unsettled = new Map<string, number>();
  for (const { module, status } of runs)
    if (status !== "dispatched") unsettled.set(module, (unsettled.get(module) ?? 0) + 1);
  return unsettled;
}

/**
 * Says whether so many runs of a module are at work without a Job that no more are to start. Every tick reads all of
 * them, and without this bound a bus that settles nothing would have it read the whole backlog in the end. `slots`: how
 * many Jobs a person lets the module have.
 */
export function isBackedUp({ maxActive }: Pick<Module, "maxActive">, slots: number, unsettled = 0): boolean {
  // A limit that was just lowered makes no module backed up: what it started before is still to be put away.
  return unsettled > Math.max(MOST_UNSETTLED.always, MOST_UNSETTLED.perSlot * Math.max(maxActive, slots));
}
