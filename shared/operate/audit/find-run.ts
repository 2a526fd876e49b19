import type { Looking } from "../../dependencies.ts";
import { ConflictError } from "../../errors.ts";
import type { FoundRun } from "../../ports/run-table.ts";
import type { RunKey } from "../../run/run.ts";

/**
 * Finds a run. Undefined if it moved on with each look, so that nothing is known of it. If that lasts, one of its rows is
 * missing, which is a finding of its own.
 */
export async function findRun({ table }: Pick<Looking, "table">, key: RunKey): Promise<FoundRun | undefined> {
  try {
    return await table.find(key);
  } catch (error) {
    if (error instanceof ConflictError) return undefined;
    throw error;
  }
}
