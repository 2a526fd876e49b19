import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import { recordCluster } from "../holds/cluster-guard.ts";
import { retryOf } from "../jobs/run-limits.ts";
import type { Log } from "../log.ts";
import { isJobAbsent } from "../observe/absence.ts";
import { viewCluster } from "../observe/cluster-view.ts";
import { lookAtJob } from "../observe/look-at-job.ts";
import { readOpenRuns } from "../observe/open-runs.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { nextRow } from "../run/after-ending.ts";
import { accepted } from "../run/cluster-record.ts";
import { decide } from "../run/decide.ts";
import { type Run, runId } from "../run/run.ts";
import { type Answer, already, done, would } from "./answer.ts";
import { actionOf, type Doing, fieldsOf } from "./by.ts";

/**
 * Takes the cluster that is seen for the one that the Jobs are in, and every Job that is absent from it for deleted:
 * each is an interruption of its run, and the next attempt follows. It is for a cluster or namespace that was really
 * replaced or emptied. Each absence is confirmed by name, with the row unchanged. The cluster is recorded last, so that
 * no replica judges the same absences meanwhile. Repeating it is harmless.
 */
export async function acceptCluster(deps: Dependencies, how: Doing, log: Log): Promise<Answer> {
  const { by, dryRun = false } = how;
  const all = await readOpenRuns(deps, (source) => deps.table.atWork(source));
  const view = await viewCluster(deps);
  const absent = all.flatMap(({ atWork }) => atWork).filter(({ run }) => isJobAbsent(run, view));
  let jobs = 0;
  for (const stored of absent) if (await believe(deps, stored, how, log)) jobs += 1;
  const action = actionOf(by, "accept cluster", deps.namespace, deps.clock.now(), { jobs });
  const { before, after, isWritten } = await recordCluster(deps, accepted, { action, dryRun });
  if (isWritten && !dryRun)
    log.warn("accepted the cluster by hand", {
      namespace: after.namespace,
      uid: after.uid,
      recordedNamespace: before?.namespace,
      recordedUid: before?.uid,
      ...fieldsOf(by),
    });
  if (jobs === 0 && !isWritten) return already({ was: "cluster accepted" });
  return (dryRun ? would : done)({ did: "accepted the cluster", jobs });
}

/** Says whether the absence was confirmed, and recorded unless this is a dry run; false if the run moved on meanwhile. */
async function believe(
  deps: Dependencies,
  stored: StoredRun,
  { by, dryRun = false }: Doing,
  log: Log,
): Promise<boolean> {
  const next = await afterAbsence(deps, stored);
  if (!next) return false;
  if (dryRun) return true;
  const { jobName = "" } = stored.run;
  try {
    const action = actionOf(by, "accept cluster", runId(next), deps.clock.now(), { jobName });
    await deps.table.update(stored, next, action);
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
  log.warn("took an absent job for deleted by hand", { runId: runId(next), jobName, ...fieldsOf(by) });
  return true;
}

async function afterAbsence(deps: Dependencies, stored: StoredRun): Promise<Run | undefined> {
  const { run } = stored;
  const { job } = (await lookAtJob(deps, stored, run.jobName ?? "")) ?? {};
  if (job?.phase !== "absent") return undefined;
  const now = deps.clock.now();
  const { lockDurationMs } = deps;
  const decision = decide({ run, job, cancelled: false, retry: retryOf(run, deps), lockDurationMs, now });
  return decision.do === "retry" || decision.do === "conclude" ? nextRow(run, decision, now) : undefined;
}
