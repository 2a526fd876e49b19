import type { RunTable } from "../ports/run-table.ts";
import { type NotedLetter, notedLetter } from "../run/dead-letter.ts";
import { type ClosedRun, keyOf } from "../run/run.ts";

/**
 * Gives what was noted of the letter of a withdrawn run before it was claimed: what the last run of it has left that was
 * not withdrawn. Undefined if the run was not withdrawn, or the table knows no such run any more.
 */
export async function letterOfWithdrawn(
  table: Pick<RunTable, "find">,
  over: ClosedRun,
): Promise<NotedLetter | undefined> {
  if (over.status !== "withdrawn") return undefined;
  const { redrive = 0, ...original } = keyOf(over);
  for (let before = redrive - 1; before >= 0; before -= 1) {
    const earlier = await table.find(before === 0 ? original : { ...original, redrive: before });
    if (earlier.kind !== "closed") return undefined;
    if (earlier.run.status === "withdrawn") continue;
    const letter = notedLetter(earlier.run);
    return letter && { ...letter, redrive };
  }
  return undefined;
}
