import type { StoredRun } from "../ports/run-table.ts";
import type { Run } from "../run/run.ts";
import type { ClusterView } from "./cluster-view.ts";

/** Absences of one source that make it more likely that the cluster is wrong than that the Jobs are gone. */
const MASS_ABSENCE = { atLeast: 10, share: 0.2 };

/** Whether the row says that the run has a Job, and the light list doesn't show it. */
export function isJobAbsent(run: Run, { jobs }: Pick<ClusterView, "jobs">): boolean {
  return run.status === "dispatched" && !jobs.has(run.jobName ?? "");
}

/** Whether so many Jobs of a source are missing at once that none of the absences is to be believed: the wrong cluster, or namespace. */
export function isMassAbsence(runs: readonly StoredRun[], view: Pick<ClusterView, "jobs">): boolean {
  const dispatched = runs.filter(({ run }) => run.status === "dispatched");
  const absent = dispatched.filter(({ run }) => isJobAbsent(run, view)).length;
  // guard: mass-absence
  return absent >= MASS_ABSENCE.atLeast && absent > dispatched.length * MASS_ABSENCE.share;
}
