import type { Dependencies } from "../dependencies.ts";
import type { SourceRuns } from "../observe/open-runs.ts";
import { runId } from "../run/run.ts";

/**
 * Deletes bodies that a process stored after their run was closed, because it had slept. Only a closed row says that a
 * body is of no use: if there is no row at all, the table may be what is missing. Only the version that was seen is
 * deleted, because a reopened run stores its body anew.
 */
export async function deleteOrphanBodies(deps: Dependencies, { source, runs }: SourceRuns): Promise<void> {
  const open = new Set(runs.map(({ run }) => runId(run)));
  for (const { key, version } of await deps.payloads.listBodies(source)) {
    if (open.has(runId(key)) || (await deps.table.find(key)).kind !== "closed") continue;
    await deps.payloads.deleteBody(key, version);
  }
}
