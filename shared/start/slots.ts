import type { Dependencies } from "../dependencies.ts";
import type { Module } from "../modules/module.ts";
import { startableModule } from "../modules/route.ts";
import { causeWithoutModule } from "../modules/wrong-file.ts";
import type { Slot, WaitCause } from "../run/decide.ts";
import { type Run, runId } from "../run/run.ts";
import type { Admission, TakenSlot } from "./admission.ts";
import type { Breakers } from "./breakers.ts";
import type { Limits } from "./limits.ts";

/** Gives slots to runs, in the order in which they ask (oldest first). */
export interface Slots {
  /** Gives a slot to a waiting run whose time has come, or says why it gets none. */
  take(run: Run): Slot;
  /** Says why a run gets no slot, if all of them are taken. */
  causeOf(run: Run): WaitCause;
  /** Counts the slot of a waiting run whose Job exists already. */
  occupy(run: Run): void;
  /** A write of this process says that a run's Job is over: its slot is free. */
  vacate(run: Run): void;
  /** The tick is through with a run: if it took a slot, its start is over. */
  release(run: Run): void;
  /** The tick is over, and so are the starts of all that took a slot in it. */
  releaseAll(): void;
  /** Nothing more of a module starts in this tick. */
  shut(module: string, cause: WaitCause): void;
}

/** What else decides who may start in this tick. */
interface SlotFacts {
  readonly wrongCluster: boolean;
  readonly breakers: Pick<Breakers, "tripOf">;
  readonly limits: Pick<Limits, "isPaused">;
  /** The runs of tripped modules that may start all the same, by their ids. */
  readonly probing: ReadonlySet<string>;
  readonly admission: Pick<Admission, "take" | "occupy" | "vacate" | "isBackedUp">;
}

/** Makes the slots of one source's modules in one tick. A tripped module has one slot at most, for its probe. */
export function makeSlots(
  deps: Pick<Dependencies, "modules" | "wrongFiles">,
  { wrongCluster, breakers, limits, probing, admission }: SlotFacts,
): Slots {
  const taken = new Map<string, TakenSlot>();
  const shut = new Map<string, WaitCause>();

  /** Says what keeps a run from starting, whatever slots are free. */
  function obstacle(run: Run, module: Module | undefined): WaitCause | undefined {
    if (!module) return causeWithoutModule(deps, run.module);
    if (wrongCluster) return "wrong-cluster";
    if (limits.isPaused(module)) return "paused";
    const cause = shut.get(run.module);
    if (cause) return cause;
    // Before a slot is taken: the waiting runs of a tripped module must not take the slot that its probe needs.
    if (breakers.tripOf(module) && !probing.has(runId(run))) return "module-tripped";
    return admission.isBackedUp(module) ? "unsettled" : undefined;
  }

  return {
    take(run) {
      const module = startableModule(deps.modules, run);
      const cause = obstacle(run, module);
      if (!module || cause) return { start: false, cause: cause ?? causeWithoutModule(deps, run.module) };
      const slot = admission.take(module, run);
      if (!slot) return { start: false, cause: "max-active" };
      taken.set(runId(run), slot);
      return { start: true };
    },
    causeOf: (run) => obstacle(run, startableModule(deps.modules, run)) ?? "max-active",
    occupy(run) {
      const module = startableModule(deps.modules, run);
      if (module) taken.set(runId(run), admission.occupy(module, run));
    },
    vacate: (run) => admission.vacate(run),
    release(run) {
      taken.get(runId(run))?.release();
      // Another start of the run may have a slot of its own by the time when all are released.
      taken.delete(runId(run));
    },
    releaseAll() {
      for (const slot of taken.values()) slot.release();
    },
    shut(module, cause) {
      shut.set(module, cause);
    },
  };
}
