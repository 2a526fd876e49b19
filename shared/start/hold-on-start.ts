import type { ClusterGuard } from "../holds/cluster-guard.ts";
import type { Module } from "../modules/module.ts";
import type { WaitCause } from "../run/decide.ts";
import type { Events } from "../telemetry/events.ts";
import type { Limits } from "./limits.ts";

/** Why no Job of a module starts just now, whatever slots are free. */
export type StartHold = Extract<WaitCause, "wrong-cluster" | "paused">;

/**
 * Says why no Job of a module is to start just now; undefined if it may. What it knows is at most 10 s old. Rejects with
 * an UnavailableError if it can't find out.
 */
export type HoldOnStart = (module: Module, events: Events) => Promise<StartHold | undefined>;

/** Makes the question that is asked before a slot is given, and once more right before the Job is created. */
export function makeHoldOnStart(
  cluster: Pick<ClusterGuard, "holdOnStarts">,
  limits: Pick<Limits, "refreshIfOld" | "isPaused">,
): HoldOnStart {
  return async (module, events) => {
    if ((await cluster.holdOnStarts(events)) !== undefined) return "wrong-cluster";
    await limits.refreshIfOld();
    return limits.isPaused(module) ? "paused" : undefined;
  };
}
