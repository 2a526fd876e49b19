import type { Dependencies } from "../dependencies.ts";
import { isJobAbsent, isMassAbsence } from "../observe/absence.ts";
import { type ClusterView, jobNameOf, phaseOf, viewCluster } from "../observe/cluster-view.ts";
import { lookAtJob } from "../observe/look-at-job.ts";
import { knownSources } from "../observe/open-runs.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { runId } from "../run/run.ts";
import { sourceName } from "../run/source.ts";
import { type RowlessMessage, rowlessMessages } from "./rowless-messages.ts";

/** Something that only an operator may decide. */
export type AuditFinding =
  /**
   * A deferred message without a row that the sweep leaves alone: another instance deferred it, or no module takes it.
   */
  | ({ readonly kind: "orphan message" } & RowlessMessage)
  /** A Job past the time limit of its pod and still not over. */
  | { readonly kind: "overdue Job"; readonly runId: string; readonly jobName: string; readonly overdueMs: number }
  /** So many Jobs are absent that the ticks believe none of it. */
  | { readonly kind: "mass absence"; readonly source: string; readonly absent: number };

/** Looks through rows, Jobs and messages for what only an operator may decide. Changes nothing. */
export async function audit(deps: Dependencies): Promise<AuditFinding[]> {
  const found: AuditFinding[] = [];
  const owner = await deps.instanceTable.owner();
  for (const source of await knownSources(deps)) {
    const { runs } = await deps.table.atWork(source);
    const view = await viewCluster(deps);
    if (isMassAbsence(runs, view)) {
      const absent = runs.filter(({ run }) => isJobAbsent(run, view)).length;
      found.push({ kind: "mass absence", source: sourceName(source), absent });
    }
    for (const stored of runs) {
      const jobName = jobNameOf(stored.run, deps.instance);
      const overdueMs = await overdueBy(deps, stored, jobName, view);
      if (overdueMs > 0) found.push({ kind: "overdue Job", runId: runId(stored.run), jobName, overdueMs });
    }
    for (const orphan of await rowlessMessages(deps, source)) {
      // The sweep takes on what is this instance's own.
      if (orphan.owner !== owner || orphan.module === undefined) found.push({ kind: "orphan message", ...orphan });
    }
  }
  return found;
}

/** Says by how many ms a run's Job is past the time limit of its pod; 0 or less if it is not. Only a look tells. */
async function overdueBy(deps: Dependencies, stored: StoredRun, jobName: string, view: ClusterView): Promise<number> {
  const { run } = stored;
  const now = deps.clock.now();
  if (run.status !== "dispatched" || run.jobOverdueAt === undefined || now <= run.jobOverdueAt) return 0;
  const listed = phaseOf(run, jobName, view, { module: deps.modules.get(run.module), now });
  if (listed.phase !== "running" && listed.phase !== "terminating") return 0;
  const job = await lookAtJob(deps, stored, jobName);
  return job && "limitAt" in job && job.limitAt !== undefined ? now - job.limitAt : 0;
}
