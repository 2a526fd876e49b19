import type { Dependencies } from "../dependencies.ts";
import { UnavailableError } from "../errors.ts";
import type { SourceRuns } from "../observe/open-runs.ts";
import { runId } from "../run/run.ts";
import type { Events } from "../telemetry/events.ts";

/**
 * Deletes bodies that a process stored after their run was closed, because it had slept. Only a closed row says that a
 * body is of no use: if there is no row at all, the table may be what is missing. Only the version that was seen is
 * deleted, because a reopened run stores its body anew.
 */
export async function deleteOrphanBodies(
  deps: Dependencies,
  { source, runs }: SourceRuns,
  events: Events,
): Promise<void> {
  const open = new Set(runs.map(({ run }) => runId(run)));
  for (const { key, version } of await deps.payloads.listBodies(source)) {
    if (open.has(runId(key))) continue;
    try {
      if ((await deps.table.find(key)).kind === "closed") await deps.payloads.deleteBody(key, version);
    } catch (error) {
      // What passes by itself is tried again in the next tick. A row that can't be read must not keep the bodies behind it.
      if (error instanceof UnavailableError) throw error;
      events.about({ runId: runId(key) }).tell({ event: "failed", what: "left a stored body to a later look", error });
    }
  }
}
