import type { Dependencies } from "../dependencies.ts";
import { startableModule } from "../modules/route.ts";
import type { Slot, WaitCause } from "../run/decide.ts";
import { type Run, runId } from "../run/run.ts";
import type { Admission, TakenSlot } from "./admission.ts";
import type { Breakers } from "./breakers.ts";

/** Gives slots to runs, in the order in which they ask (oldest first). */
export interface Slots {
  /** Gives a slot to a waiting run whose time has come, or says why it gets none. */
  take(run: Run): Slot;
  /** The tick is through with a run: if it took a slot, its start is over. */
  release(run: Run): void;
  /** Nothing more of a module starts in this tick. */
  shut(module: string, cause: WaitCause): void;
}

/** What else decides who may start in this tick. */
interface SlotFacts {
  readonly wrongCluster: boolean;
  readonly breakers: Pick<Breakers, "tripOf">;
  /** The runs of tripped modules that may start all the same, by their ids. */
  readonly probing: ReadonlySet<string>;
  readonly admission: Pick<Admission, "take">;
}

/** Makes the slots of one source's modules in one tick. A tripped module has one slot at most, for its probe. */
export function makeSlots(
  { modules }: Pick<Dependencies, "modules">,
  { wrongCluster, breakers, probing, admission }: SlotFacts,
): Slots {
  const taken = new Map<string, TakenSlot>();
  const shut = new Map<string, WaitCause>();
  return {
    take(run) {
      const module = startableModule(modules, run);
      if (!module) return refused("module-removed");
      if (wrongCluster) return refused("wrong-cluster");
      const cause = shut.get(run.module);
      if (cause) return refused(cause);
      // Before a slot is taken: the waiting runs of a tripped module must not take the slot that its probe needs.
      if (breakers.tripOf(module) && !probing.has(runId(run))) return refused("module-tripped");
      const slot = admission.take(module, run);
      if (!slot) return refused("max-active");
      taken.set(runId(run), slot);
      return { start: true };
    },
    release(run) {
      taken.get(runId(run))?.release();
    },
    shut(module, cause) {
      shut.set(module, cause);
    },
  };
}

function refused(cause: WaitCause): Slot {
  return { start: false, cause };
}
