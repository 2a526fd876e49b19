import pLimit from "p-limit";
import type { Dependencies } from "../../dependencies.ts";
import { finishedAt, isRetired, readJobIdentity } from "../../jobs/job-identity.ts";
import { isJobAbsent, isMassAbsence, mayHaveJob, withoutMovedOn } from "../../observe/absence.ts";
import { isAttemptOver, mayEndUntil } from "../../observe/attempt-over.ts";
import { type ClusterView, jobNameOf, phaseOf, viewCluster } from "../../observe/cluster-view.ts";
import { lookAtJob } from "../../observe/look-at-job.ts";
import type { StoredRun } from "../../ports/run-table.ts";
import { holdOf } from "../../run/cluster-record.ts";
import { keyOf, type Run, runId } from "../../run/run.ts";
import { findRun } from "./find-run.ts";
import type { AuditFinding, TooYoung } from "./finding.ts";
import { inFlightMs } from "./in-flight.ts";
import type { SourceRows } from "./open-rows.ts";

/** Jobs and rows that are looked at at once. */
const CONCURRENCY = 16;

/**
 * Compares the runs at work with the Jobs: three light lists, and a look at each Job that disagrees. In another cluster,
 * or while so many Jobs are missing that it may be one, no single Job is named. `passOver` is told of each Job that no row
 * speaks of and that is too young to be judged.
 */
export async function clusterFindings(
  deps: Dependencies,
  all: readonly SourceRows[],
  { tell, passOver }: { readonly tell: (more: number) => void; readonly passOver: (job: TooYoung) => void },
): Promise<AuditFinding[]> {
  const runs = all.flatMap(({ atWork }) => atWork);
  const view = await viewCluster(deps);
  tell(view.jobs.size);
  const atWork = runs.filter(({ run }) => mayHaveJob(run));
  const record = (await deps.instanceTable.cluster())?.record;
  const uid = await deps.cluster.namespaceUid();
  if (record && uid !== undefined && holdOf(record, uid) === "another cluster")
    return atWork.length === 0 ? [] : [{ kind: "another cluster", record, uid, atWork: atWork.length }];
  const overdue = await inTurn(atWork, (stored) => overdueJob(deps, stored, view));
  const counted = await withoutMovedOn(deps, runs, view);
  if (isMassAbsence(counted, view, record?.doubtedSince))
    return [{ kind: "mass absence", absent: counted.filter(({ run }) => isJobAbsent(run, view)).length }, ...overdue];
  // A person at a desk may look at another cluster than the Dispatcher. There all Jobs are absent, and none is missing.
  const isTheirs = uid !== undefined && record?.uid === uid;
  const unknown = namesOfOthers(runs, view, deps.instance);
  return [
    ...overdue,
    ...(isTheirs ? await inTurn(atWork, (stored) => missingJob(deps, stored, view)) : []),
    ...(await inTurn(
      runs.filter(({ run }) => run.status === "accepted" && view.jobs.has(jobNameOf(run, deps.instance))),
      async ({ run }) => jobOf(deps, jobNameOf(run, deps.instance), passOver),
    )),
    ...(await inTurn(unknown, (name) => jobOf(deps, name, passOver))),
  ];
}

async function inTurn<T>(
  things: readonly T[],
  look: (thing: T) => Promise<AuditFinding | undefined>,
): Promise<AuditFinding[]> {
  const found = await pLimit(CONCURRENCY).map([...things], look);
  return found.flatMap((finding) => finding ?? []);
}

/** Lists the names of the Jobs that are no attempt of a run at work, as far as its row was read. */
function namesOfOthers(runs: readonly StoredRun[], { jobs }: ClusterView, instance: string): string[] {
  const known = new Set(runs.map(({ run }) => jobNameOf(run, instance)));
  return [...jobs.keys()].filter((name) => !known.has(name));
}

/** Only a look tells by how much a Job is past the time limit of its pod. */
async function overdueJob(deps: Dependencies, stored: StoredRun, view: ClusterView): Promise<AuditFinding | undefined> {
  const { run } = stored;
  const now = deps.clock.now();
  if (run.status !== "dispatched" || run.jobOverdueAt === undefined || now <= run.jobOverdueAt) return undefined;
  const jobName = jobNameOf(run, deps.instance);
  const listed = phaseOf(run, jobName, view, { module: deps.modules.get(run.module), now });
  if (listed.phase !== "running" && listed.phase !== "terminating") return undefined;
  const { job } = (await lookAtJob(deps, stored, jobName)) ?? {};
  if (!job || !("limitAt" in job) || job.limitAt === undefined || now <= job.limitAt) return undefined;
  return { kind: "overdue Job", runId: runId(run), jobName, overdueMs: now - job.limitAt };
}

/** A look confirms that the Job is absent, and the row unchanged. */
async function missingJob(deps: Dependencies, stored: StoredRun, view: ClusterView): Promise<AuditFinding | undefined> {
  const { run } = stored;
  const { jobName = "", dispatchedAt = 0 } = run;
  if (!isJobAbsent(run, view) || deps.clock.now() - dispatchedAt < inFlightMs(deps)) return undefined;
  const { job } = (await lookAtJob(deps, stored, jobName)) ?? {};
  return job?.phase === "absent" ? { kind: "missing Job", runId: runId(run), key: keyOf(run), jobName } : undefined;
}

/** Says what is wrong with a Job that no row is known to speak of. Its row is asked for after the Job. */
async function jobOf(
  deps: Dependencies,
  jobName: string,
  passOver: (job: TooYoung) => void,
): Promise<AuditFinding | undefined> {
  const job = await deps.cluster.get(jobName);
  const now = deps.clock.now();
  if (!job || isRetired(job)) return undefined;
  const identity = readJobIdentity(job);
  const judgedAt = madeAt(job.metadata?.creationTimestamp) + inFlightMs(deps);
  const isYoung = now < judgedAt;
  const found = identity && (await findRun(deps, identity.key));
  if (!identity || found?.kind === "none") {
    if (!isYoung) return { kind: "stray Job", jobName, ...(identity ? { runId: runId(identity.key) } : {}) };
    passOver({ jobName, judgedAt });
    return undefined;
  }
  if (isYoung || found === undefined) return undefined;
  const { key, attempt } = identity;
  const id = runId(key);
  if (isAttemptOver(found, jobName, identity)) {
    const mayEnd = finishedAt(job) === undefined && now <= mayEndUntil(found);
    return mayEnd ? undefined : { kind: "unretired Job", runId: id, key, attempt, jobName };
  }
  if (found.kind !== "open" || !isUnrecorded(found.stored.run, jobName, attempt, deps)) return undefined;
  return { kind: "unrecorded Job", runId: id, key, jobName };
}

/** Whether a Job is that of a run's next attempt, and the row has not said so for long enough. */
function isUnrecorded(run: Run, jobName: string, attempt: number, deps: Dependencies): boolean {
  if (run.attempt !== attempt || jobNameOf(run, deps.instance) !== jobName) return false;
  if (run.status !== "waiting" && run.status !== "accepted") return false;
  // No tick touches an accepted run before that time.
  return deps.clock.now() - Math.max(run.acceptedAt, run.notBefore) >= inFlightMs(deps);
}

function madeAt(time: Date | undefined): number {
  return time === undefined ? 0 : new Date(time).getTime();
}
