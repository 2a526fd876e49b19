import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { Run, RunKey } from "../run/run.ts";
import { done, type RepairOutcome, refused } from "./outcome.ts";

/** What to make of an open run: its next row and what that leads to, or why not. */
export type Change = { readonly next: Run; readonly why: string } | RepairOutcome;

/**
 * Changes the row of an open run by one conditional write, as a Dispatcher would: whoever of them reads it next carries out what it says. A run
 * that moved on meanwhile is left as it is.
 */
export async function changeOpenRun(
  deps: Dependencies,
  key: RunKey,
  change: (stored: StoredRun) => Change | Promise<Change>,
): Promise<RepairOutcome> {
  const found = await deps.table.find(key);
  if (found.kind === "none") return refused("there is no such run");
  if (found.kind === "closed") return refused(`the run is closed as ${found.run.status}`);
  const changed = await change(found.stored);
  if (!("next" in changed)) return changed;
  try {
    await deps.table.update(found.stored, changed.next);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return refused("the run moved on just now; look again");
  }
  return done(changed.why);
}
