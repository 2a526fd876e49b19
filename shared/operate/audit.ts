import type { Dependencies } from "../dependencies.ts";
import { isJobAbsent, isMassAbsence } from "../observe/absence.ts";
import { isOverdue, jobNameOf, phaseOf, viewCluster } from "../observe/cluster-view.ts";
import { knownSources } from "../observe/open-runs.ts";
import { runId } from "../run/run.ts";
import { sourceName } from "../run/source.ts";
import { type RowlessMessage, rowlessMessages } from "./rowless-messages.ts";

/** Something that only an operator may decide. */
export type AuditFinding =
  /**
   * A deferred message without a row that the sweep leaves alone: another instance deferred it, or no module takes it.
   */
  | ({ readonly kind: "orphan message" } & RowlessMessage)
  /** A Job past all its own time limits and still not over. */
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
    for (const orphan of await rowlessMessages(deps, source)) {
      // The sweep takes on what is this instance's own.
      if (orphan.owner !== owner || orphan.module === undefined) found.push({ kind: "orphan message", ...orphan });
    }
  }
  return found;
}
