import type { CoreV1Event, V1Job, V1Pod } from "@kubernetes/client-node";
import type { EpochMs } from "../clock.ts";
import type { Looking } from "../dependencies.ts";
import { type EndedJob, endedJob, succeededJob } from "../jobs/ended-job.ts";
import { finishedAt, isCancelLabelled, isOurs } from "../jobs/job-identity.ts";
import { blamed, isEndedByDeadline, judgeEnd } from "../jobs/judge-end.ts";
import { faultByEvents, judgeStart } from "../jobs/judge-start.ts";
import { endingLimitMs, endOfBodyUrl, runningLimitMs } from "../jobs/run-limits.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { JobSeen } from "../run/decide.ts";
import type { Run } from "../run/run.ts";
import { withoutSignatures } from "../run/without-signatures.ts";

/** What a look at a Job found. */
export interface JobLook {
  readonly job: JobSeen;
  /** Whether a person labelled this Job to cancel its run. */
  readonly cancelled: boolean;
  /** What retires the Job, if it is over. */
  readonly ended?: EndedJob | undefined;
}

/**
 * Looks at the Job itself, because the light list cannot tell whether it is really absent, why it does not start, or
 * why it failed. Resolves to undefined if the row changed meanwhile, so that nothing may be concluded.
 */
export async function lookAtJob(deps: Looking, stored: StoredRun, name: string): Promise<JobLook | undefined> {
  const { run } = stored;
  const job = await deps.cluster.get(name);
  if (!job) {
    // "No Job" counts only as long as the row still says that there is one.
    const found = await deps.table.find(run);
    const unchanged = found.kind === "open" && found.stored.etag === stored.etag;
    return unchanged ? { job: { phase: "absent", confirmed: true }, cancelled: false } : undefined;
  }
  const isAnother = run.jobUid !== undefined && job.metadata?.uid !== run.jobUid;
  if (isAnother || !isOurs(job, deps.instance, run, run.attempt))
    return { job: { phase: "foreign" }, cancelled: false };

  const cancelled = isCancelLabelled(job);
  const conditions = new Set((job.status?.conditions ?? []).filter((c) => c.status === "True").map((c) => c.type));
  if (conditions.has("Complete")) return { job: { phase: "succeeded" }, cancelled, ended: endedJob(job) };
  if (finishedAt(job) !== undefined) {
    const pods = await deps.cluster.pods(name);
    return { job: await lookAtFailure(deps, run, job, pods), cancelled, ended: endedJob(job, pods) };
  }
  if (conditions.has("FailureTarget") || conditions.has("SuccessCriteriaMet"))
    return { job: { phase: "terminating", limitAt: limitOfEnding(job) }, cancelled };
  return { job: await lookAtStart(deps, run, job), cancelled };
}

/**
 * Looks at a Job of which a watch told that it is complete, or that its pod has succeeded. A pod that has succeeded is
 * proof enough, because a Job has one pod to complete. The pods are asked first, because the logs are read from them, and
 * then the Job need not be read. In all other cases the Job is looked at.
 */
export async function lookAtCompleteJob(deps: Looking, stored: StoredRun, name: string): Promise<JobLook | undefined> {
  const { jobUid } = stored.run;
  const ended = jobUid === undefined ? undefined : succeededJob(jobUid, await deps.cluster.pods(name));
  return ended ? { job: { phase: "succeeded" }, cancelled: false, ended } : lookAtJob(deps, stored, name);
}

/** Looks how a Job failed that is over. */
async function lookAtFailure(deps: Looking, run: Run, job: V1Job, pods: readonly V1Pod[]): Promise<JobSeen> {
  const end = judgeEnd(job, pods);
  if (!end) return { phase: "failed" };
  const pod = pods.at(-1);
  const byPod = pod !== undefined;
  const byDeadline = isEndedByDeadline(job);
  // A kubelet that ends a pod takes back why its containers did not start. Only the events tell that.
  const fault =
    end.kind === "unstarted" && pod?.status?.reason === "DeadlineExceeded"
      ? faultByEvents(await deps.cluster.events("Pod", pod.metadata?.name ?? ""), run.heldUpBy)
      : undefined;
  return { phase: "failed", end: unsigned(fault ? blamed(end, fault) : end), byPod, byDeadline };
}

/** Looks whether a Job has started, that is not over and not ending; if not, why not. */
async function lookAtStart(deps: Looking, run: Run, job: V1Job): Promise<JobSeen> {
  const { cluster, clock, modules } = deps;
  const now = clock.now();
  const module = modules.get(run.module);
  const urlEnds = endOfBodyUrl(run, deps, now);
  const name = job.metadata?.name ?? "";
  const pods = await cluster.pods(name);
  if (job.spec?.suspend === true) {
    const hasPod = pods.some(({ status }) => status?.phase !== "Succeeded" && status?.phase !== "Failed");
    return { phase: "suspended", hasPod, ...(urlEnds ? { stuck: urlEnds } : {}) };
  }
  const { heldUpBy, heldUpSince } = run;
  const before = heldUpBy && heldUpSince !== undefined ? { cause: heldUpBy, since: heldUpSince } : undefined;
  const startTimeoutMs = module?.startTimeoutMs ?? Number.POSITIVE_INFINITY;
  const judge = (events: readonly CoreV1Event[]) => judgeStart({ job, pods, events, before, now, startTimeoutMs });
  let start = judge([]);
  // Events are asked only for what nothing else tells: the cluster looks through all events of the namespace to find
  // those of one object.
  if ("held" in start && start.held.cause === "no-pod") start = judge(await cluster.events("Job", name));
  if ("held" in start && start.held.cause === "no-container")
    start = judge(await cluster.events("Pod", pods.at(-1)?.metadata?.name ?? ""));

  if ("running" in start) return { phase: "running", limitAt: limitOfRunning(job, pods.at(-1)) };
  const pending = { phase: "pending", suspect: false } as const;
  if ("stuck" in start) return { ...pending, stuck: unsigned(start.stuck) };
  if (urlEnds) return { ...pending, stuck: urlEnds };
  return { ...pending, held: "held" in start ? unsigned(start.held) : "nothing" };
}

/** Says when a pod has to be over. Its limit counts from when its node took it. */
function limitOfRunning(job: V1Job, pod: V1Pod | undefined): EpochMs {
  const startedAt = pod?.status?.startTime ?? pod?.metadata?.creationTimestamp ?? job.metadata?.creationTimestamp;
  return new Date(startedAt ?? 0).getTime() + runningLimitMs(pod?.spec ?? job.spec?.template.spec);
}

/** Says when the pods of a Job have to be gone that is ending. */
function limitOfEnding({ spec, status, metadata }: V1Job): EpochMs {
  const early = (status?.conditions ?? []).find(
    ({ type }) => type === "FailureTarget" || type === "SuccessCriteriaMet",
  );
  const since = early?.lastTransitionTime ?? metadata?.creationTimestamp;
  return new Date(since ?? 0).getTime() + endingLimitMs(spec?.template.spec);
}

/**
 * Removes signatures from the detail, because it quotes logs and events, and a worker may print the URL of its body.
 */
function unsigned<T extends { readonly detail: string }>(told: T): T {
  return { ...told, detail: withoutSignatures(told.detail) };
}
