import type { EpochMs } from "../clock.ts";
import type { Looking } from "../dependencies.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { Run } from "../run/run.ts";
import { sourceKey } from "../run/source.ts";
import type { ClusterView } from "./cluster-view.ts";

/** So many absences make it more likely that the cluster is the wrong one than that the Jobs are gone. */
const MASS_ABSENCE = { atLeast: 10, share: 0.2 };

/** Says whether a Job of the run may be at work. That of an accepted run may exist, though its row doesn't say so yet. */
export function mayHaveJob({ status }: Run): boolean {
  return status === "dispatched" || status === "accepted";
}

/** Says whether the row has a Job that the light list doesn't show. */
export function isJobAbsent(run: Run, { jobs }: Pick<ClusterView, "jobs">): boolean {
  return run.status === "dispatched" && !jobs.has(run.jobName ?? "");
}

/**
 * Leaves out the runs that moved on since they were read: between the rows and the list, a wake or another replica may
 * have put many Jobs away that were over, and those are absent for good reason. Reads the rows once more, and only if so
 * many Jobs are absent that it matters. Rejects with an UnavailableError.
 */
export async function withoutMovedOn(
  { table }: { readonly table: Pick<Looking["table"], "atWork"> },
  runs: readonly StoredRun[],
  view: Pick<ClusterView, "jobs">,
): Promise<readonly StoredRun[]> {
  const absent = runs.filter(({ run }) => isJobAbsent(run, view));
  if (absent.length < MASS_ABSENCE.atLeast) return runs;
  const sources = new Map(absent.map(({ run: { source } }) => [sourceKey(source), source]));
  const stillOut = new Set<string | undefined>();
  for (const source of sources.values())
    for (const { run } of (await table.atWork(source)).runs) if (isJobAbsent(run, view)) stillOut.add(run.jobName);
  return runs.filter(({ run }) => !isJobAbsent(run, view) || stillOut.has(run.jobName));
}

/**
 * Says whether so many Jobs are missing at once that no absence is to be believed: it is more likely the wrong cluster
 * or namespace, or one that was restored from a backup. `runs` are those of all sources. While the doubt lasts, only
 * Jobs that were started before it count, because new ones would make the missing ones few.
 */
export function isMassAbsence(
  runs: readonly StoredRun[],
  view: Pick<ClusterView, "jobs">,
  doubtedSince: EpochMs = Number.POSITIVE_INFINITY,
): boolean {
  const counted = runs.filter(({ run }) => run.status === "dispatched" && (run.dispatchedAt ?? 0) <= doubtedSince);
  const absent = counted.filter(({ run }) => isJobAbsent(run, view)).length;
  // guard: mass-absence
  return absent >= MASS_ABSENCE.atLeast && absent > counted.length * MASS_ABSENCE.share;
}
