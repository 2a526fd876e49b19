import type { Dependencies } from "../dependencies.ts";
import { isJobAbsent, isMassAbsence } from "../observe/absence.ts";
import { isOverdue, jobNameOf, phaseOf, viewCluster } from "../observe/cluster-view.ts";
import { knownSources } from "../observe/open-runs.ts";
import { runId } from "../run/run.ts";
import { sourceName } from "../run/source.ts";
import { type OrphanMessage, orphanMessages } from "./orphan-messages.ts";

/** Something that only a person may decide. */
export type Repairable =
  /** A deferred message without a row, that the sweep leaves alone: another owner's, or no module's. */
  | ({ readonly kind: "stray message" } & OrphanMessage)
  /** A Job past all its own time limits and still not over. */
  | { readonly kind: "overdue Job"; readonly runId: string; readonly jobName: string; readonly overdueMs: number }
  /** So many Jobs are absent that the reconciler believes none of it. */
  | { readonly kind: "mass absence"; readonly source: string; readonly absent: number };

/** Looks through rows, Jobs and messages for what only a person may decide. Changes nothing. */
export async function findRepairs(deps: Dependencies): Promise<Repairable[]> {
  const found: Repairable[] = [];
  const owner = await deps.instanceTable.owner();
  for (const source of await knownSources(deps)) {
    const runs = await deps.table.openRuns(source);
    const view = await viewCluster(deps);
    const now = deps.clock.now();
    if (isMassAbsence(runs, view)) {
      const absent = runs.filter(({ run }) => isJobAbsent(run, view)).length;
      found.push({ kind: "mass absence", source: sourceName(source), absent });
    }
    for (const { run } of runs) {
      const jobName = jobNameOf(run, deps.instance);
      const job = phaseOf(run, jobName, view, { module: deps.modules.get(run.module), now });
      if (run.status !== "dispatched" || !isOverdue(run, job, now)) continue;
      found.push({ kind: "overdue Job", runId: runId(run), jobName, overdueMs: now - (run.jobOverdueAt ?? now) });
    }
    for (const stray of await orphanMessages(deps, source)) {
      // The sweep takes on what is this Dispatcher's own.
      if (stray.owner !== owner || stray.module === undefined) found.push({ kind: "stray message", ...stray });
    }
  }
  return found;
}
