import type { LookDependencies } from "../../dependencies.ts";
import { startableModule } from "../../modules/route.ts";
import { causeWithoutModule } from "../../modules/wrong-file.ts";
import { type ClosedRun, type Run, runId } from "../../run/run.ts";
import { isOpen, type PlaceOfRun, placeOf } from "./attempts.ts";
import { holdOfSource, holdOnCluster, type InstanceState, readInstance } from "./instance-state.ts";
import { type Redriven, redrivenField, redrivenOf } from "./redriven.ts";

/**
 * What an open run waits for, as far as its row and those of the instance say. `max-active` stands for all that may keep
 * the first in line from starting; `explain` looks closer. `busy`: another receiver holds its message.
 */
export type WaitListed =
  | "module-removed"
  | "module-unread"
  | "wrong-cluster"
  | "source-held"
  | "module-tripped"
  | "paused"
  | "max-active"
  | "message-unseen"
  | "back-off"
  | "put-off"
  | "held"
  | "busy"
  | NonNullable<Run["heldUpBy"]>;

/** A run in a list. What happened to it is left out: see `showRun`. */
export type RunListed = (Run | ClosedRun) & {
  readonly id: string;
  readonly place: PlaceOfRun;
  /** Undefined if it waits for nothing. */
  readonly waitsFor?: WaitListed;
  /** As which run its dead letter was redriven last. Undefined if it was not. */
  readonly redriven?: Redriven;
};

/**
 * Adds to runs what a list says of them. Reads the instance's rows if any of them waits, which costs eight requests, and
 * looks up what became of those that were dead-lettered: see `redrivenOf`.
 */
export async function asListed(deps: LookDependencies, runs: readonly (Run | ClosedRun)[]): Promise<RunListed[]> {
  const instance = runs.some(({ status }) => status === "waiting") ? await readInstance(deps) : undefined;
  const redriven = await redrivenOf(deps, runs);
  return runs.map((whole) => {
    const { timeline: _, ...run } = whole;
    const waitsFor = isOpen(whole) ? waitOf(deps, instance, whole) : undefined;
    const place = placeOf(whole, deps.clock.now());
    return {
      id: runId(run),
      ...run,
      place,
      ...(waitsFor === undefined ? {} : { waitsFor }),
      ...redrivenField(redriven, whole),
    };
  });
}

function waitOf(deps: LookDependencies, instance: InstanceState | undefined, run: Run): WaitListed | undefined {
  if (run.status === "held") return "held";
  if (run.status === "dispatched") return run.heldUpBy;
  const isLater = run.notBefore > deps.clock.now();
  if (run.status !== "waiting" || !instance) return isLater && run.busyCount > 0 ? "busy" : undefined;
  if (!startableModule(deps.modules, run)) return causeWithoutModule(deps, run.module);
  if (holdOnCluster(instance) !== null) return "wrong-cluster";
  if (holdOfSource(instance, run.source)) return "source-held";
  if (instance.trips.has(run.module)) return "module-tripped";
  if (isLater) {
    if (run.absentSince !== undefined) return "message-unseen";
    return run.attempt > 1 ? "back-off" : "put-off";
  }
  return instance.limits.get(run.module)?.slots === 0 ? "paused" : "max-active";
}
