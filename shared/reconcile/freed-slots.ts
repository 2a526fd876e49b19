import type { Dependencies } from "../dependencies.ts";
import { startableModule } from "../modules/route.ts";
import { jobNameOf } from "../observe/cluster-view.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { Run } from "../run/run.ts";
import type { Admission } from "../start/admission.ts";
import type { Breakers } from "../start/breakers.ts";
import type { Limits } from "../start/limits.ts";
import type { InHand } from "./in-hand.ts";

/**
 * Gives the slots that runs give up between two ticks to the next runs of their modules' lines, by the rules of a tick.
 *
 * A slot moves with the write that frees it: only the process whose write succeeded knows, by its own count, that the
 * slot is free. All others count it as taken until they count anew. If each process that hears of a Job's end filled its
 * slot, there would be a Job too many for each of them.
 */
export function makeFreedSlots(
  { table, modules, instance }: Pick<Dependencies, "table" | "modules" | "instance">,
  {
    admission,
    breakers,
    limits,
  }: {
    readonly admission: Admission;
    readonly breakers: Pick<Breakers, "tripOf">;
    readonly limits: Pick<Limits, "refreshIfOld">;
  },
  inHand: InHand,
  /** Starts a run that is in hand, and puts it down then. */
  start: (stored: StoredRun, putDown: () => void) => void,
) {
  /** The modules whose lines are being read, and whether a slot was given up meanwhile. */
  const reading = new Map<string, boolean>();

  async function fill(run: Run): Promise<void> {
    const module = startableModule(modules, run);
    // A person may have lifted a limit under which the slot was given.
    await limits.refreshIfOld();
    const free = module ? admission.free(module) : 0;
    if (!module || free === 0 || breakers.tripOf(module)) return;
    const most = free + inHand.size;
    const line = await table.line(module.source, module.name, most);
    let left = free;
    for (const stored of line) {
      const putDown = left > 0 ? inHand.take(jobNameOf(stored.run, instance)) : undefined;
      if (!putDown) continue;
      left -= 1;
      start(stored, putDown);
    }
    // The next message that is delivered finds no line, and takes the slot.
    if (line.length < most) admission.lookAtLinesAgain();
  }

  /** A run has given up its slot. Rejects with an UnavailableError if the line can't be read. */
  return async function fillSlotOf(run: Run): Promise<void> {
    if (reading.has(run.module)) {
      reading.set(run.module, true);
      return;
    }
    try {
      do {
        reading.set(run.module, false);
        await fill(run);
      } while (reading.get(run.module));
    } finally {
      reading.delete(run.module);
    }
  };
}
