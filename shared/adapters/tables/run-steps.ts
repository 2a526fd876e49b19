import type { Run } from "../../run/run.ts";
import { runRow } from "./keys.ts";
import { writeMark } from "./run-entity.ts";
import type { Step } from "./transactions.ts";

/** Matches any version of a row, as long as there is one. */
export const ANY_ETAG = "*";

/**
 * Writes a run's mark, which says in which row the run waits. Another step of the same transaction is on condition of
 * the ETag of the run's own row, and nothing writes the mark alone.
 */
export function markStep(run: Run, partitionKey: string, place?: string): Step {
  return { kind: "merge", row: { ...writeMark(run, place), partitionKey, rowKey: runRow(run) }, etag: ANY_ETAG };
}
