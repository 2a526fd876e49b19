import type { Dependencies } from "../dependencies.ts";
import type { SourceRuns } from "../observe/open-runs.ts";
import { runId } from "../run/run.ts";

/**
 * Deletes what a process stored that slept meanwhile, and woke when its run was closed. Only a closed row says that a body is of no use: of
 * one without any row, the table may be the part that is missing. And only the version that was seen: a reopened run stores its body anew.
 */
export async function deleteOrphanBodies(deps: Dependencies, { source, runs }: SourceRuns): Promise<void> {
  const open = new Set(runs.map(({ run }) => runId(run)));
  for (const { key, version } of await deps.payloads.listBodies(source)) {
    if (open.has(runId(key)) || (await deps.table.find(key)).kind !== "closed") continue;
    await deps.payloads.deleteBody(key, version);
  }
}
