import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { Run, RunKey } from "../run/run.ts";
import { type Answer, refused } from "./answer.ts";

/** What to make of an open run: its next row and the answer once that is written, or why not. */
export type Change = { readonly next: Run; readonly answer: Answer } | Answer;

/**
 * Changes the row of an open run by one conditional write, as a replica would. The replica that reads the row next
 * carries out what it says. A run that moved on meanwhile is left as it is.
 */
export async function changeOpenRun(
  deps: Dependencies,
  key: RunKey,
  change: (stored: StoredRun) => Change | Promise<Change>,
): Promise<Answer> {
  const found = await deps.table.find(key);
  if (found.kind === "none") return refused({ because: "no such run" });
  if (found.kind === "newer") return refused({ because: "newer row" });
  if (found.kind === "closed") return refused({ because: "run closed", status: found.run.status });
  const changed = await change(found.stored);
  if (!("next" in changed)) return changed;
  try {
    await deps.table.update(found.stored, changed.next);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return refused({ because: "moved on" });
  }
  return changed.answer;
}
