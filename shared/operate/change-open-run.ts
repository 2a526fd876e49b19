import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { Action, Deed } from "../run/action.ts";
import { type Run, type RunKey, runId } from "../run/run.ts";
import { type Answer, type Done, done, refused, would } from "./answer.ts";
import { actionOf, type Doing } from "./by.ts";

/** What to make of an open run: its next row and what that does, or why not. */
export type Change = { readonly next: Run; readonly does: Done } | Answer;

/** What a person does to a run, and what the action log says of it. */
interface RunDeed extends Doing {
  readonly what: Deed;
  readonly facts?: Action["facts"];
}

/**
 * Changes the row of an open run by one conditional write, as a replica would. The replica that reads the row next
 * carries out what it says. A run that moved on meanwhile is left as it is.
 */
export async function changeOpenRun(
  deps: Dependencies,
  key: RunKey,
  { by, dryRun = false, what, facts }: RunDeed,
  change: (stored: StoredRun) => Change | Promise<Change>,
): Promise<Answer> {
  const found = await deps.table.find(key);
  if (found.kind === "none") return refused({ because: "no such run" });
  if (found.kind === "newer") return refused({ because: "newer row" });
  if (found.kind === "closed") return refused({ because: "run closed", status: found.run.status });
  const changed = await change(found.stored);
  if (!("next" in changed)) return changed;
  if (dryRun) return would(changed.does);
  try {
    const action = actionOf(by, what, runId(found.stored.run), deps.clock.now(), facts);
    await deps.table.update(found.stored, changed.next, action);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return refused({ because: "moved on" });
  }
  return done(changed.does);
}
