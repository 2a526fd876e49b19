import type { EpochMs } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import type { Module } from "../modules/module.ts";
import { startableModule } from "../modules/route.ts";
import type { Slot, WaitCause } from "../run/decide.ts";
import { type Run, runId } from "../run/run.ts";
import type { Breakers } from "./breakers.ts";

/** How many of a module's open runs hold a slot, and how many wait for one. */
export interface SlotDemand {
  /** Runs that have a Job. */
  readonly taken: number;
  /** Waiting runs whose time has come. They are older than any message that arrives now. */
  readonly due: number;
}

const NO_DEMAND: SlotDemand = { taken: 0, due: 0 };

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

/** Gives slots to runs, in the order in which they ask (oldest first). */
export interface Slots {
  /** Gives a slot to a waiting run whose time has come, or says why it gets none. */
  take(run: Run): Slot;
  /** Nothing more of a module starts in this tick. */
  shut(module: string, cause: WaitCause): void;
}

/** What else decides who may start in this tick. */
interface SlotFacts {
  readonly wrongCluster: boolean;
  readonly breakers: Pick<Breakers, "tripOf">;
  /** The runs of tripped modules that may start all the same, by their ids. */
  readonly probing: ReadonlySet<string>;
}

/** Makes the slots of one source's modules in one tick. A tripped module has one slot at most, for its probe. */
export function makeSlots(
  runs: readonly Run[],
  { modules, clock }: Pick<Dependencies, "modules" | "clock">,
  { wrongCluster, breakers, probing }: SlotFacts,
): Slots {
  const demands = countDemand(runs, clock.now());
  const given = new Map<string, number>();
  const shut = new Map<string, WaitCause>();
  return {
    take(run) {
      const module = startableModule(modules, run);
      if (!module) return refused("module-removed");
      if (wrongCluster) return refused("wrong-cluster");
      const cause = shut.get(run.module);
      if (cause) return refused(cause);
      const givenAlready = given.get(run.module) ?? 0;
      if (givenAlready >= freeSlots(module, demands.get(run.module))) return refused("max-active");
      if (breakers.tripOf(module) && !probing.has(runId(run))) return refused("module-tripped");
      given.set(run.module, givenAlready + 1);
      return { start: true };
    },
    shut(module, cause) {
      shut.set(module, cause);
    },
  };
}

function refused(cause: WaitCause): Slot {
  return { start: false, cause };
}
