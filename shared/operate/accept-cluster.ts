import type { Dependencies } from "../dependencies.ts";
import { recordCluster } from "../holds/cluster-guard.ts";
import type { Log } from "../log.ts";
import { isJobAbsent } from "../observe/absence.ts";
import { viewCluster } from "../observe/cluster-view.ts";
import { readOpenRuns } from "../observe/open-runs.ts";
import { accepted } from "../run/cluster-record.ts";
import { runId } from "../run/run.ts";
import { type Answer, already, done, would } from "./answer.ts";
import { believeAbsence } from "./believe-absence.ts";
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
  for (const stored of absent) {
    const { jobName = "" } = stored.run;
    const ofRun = actionOf(by, "accept cluster", runId(stored.run), deps.clock.now(), { jobName });
    if (await believeAbsence(deps, stored, dryRun ? undefined : ofRun, log)) jobs += 1;
  }
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
