import pLimit from "p-limit";
import type { EpochMs } from "../clock.ts";
import type { Looking } from "../dependencies.ts";
import { isRetired } from "../jobs/job-identity.ts";
import { jobName } from "../jobs/job-name.ts";
import { looksStuck } from "../jobs/judge-start.ts";
import type { Module } from "../modules/module.ts";
import type { JobListing, PodListing } from "../ports/job-cluster.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { JobSeen } from "../run/decide.ts";
import type { AttemptEnd, Run } from "../run/run.ts";

/** Jobs looked at at once. */
const CONCURRENCY = 16;

/** What one tick sees of the cluster, by name. */
export interface ClusterView {
  readonly jobs: ReadonlyMap<string, JobListing>;
  readonly pods: ReadonlyMap<string, PodListing>;
  readonly cancelled: ReadonlySet<string>;
}

/** The versions of a tick's lists. A watch from there tells what came after. */
export interface ListVersions {
  readonly jobs: string;
  readonly pods: string;
}

/** What a tick sees that lists everything. */
export interface ListedView extends ClusterView {
  readonly versions: ListVersions;
}

/** A pod that is pending for less than this is simply starting. */
const START_GRACE_MS = 30_000;

/**
 * Reads three light lists, whose size depends neither on the history nor on the bodies. They are read after the rows,
 * so that a Job that a row speaks of is there.
 */
export async function viewCluster({ cluster }: Looking): Promise<ListedView> {
  const [{ jobs, version }, { pods, version: podsVersion }, cancelled] = await Promise.all([
    cluster.listJobs(),
    cluster.listPods(),
    cluster.listCancelled(),
  ]);
  return {
    jobs: new Map(jobs.map((job) => [job.name, job])),
    pods: new Map(pods.map((pod) => [pod.jobName, pod])),
    cancelled: new Set(cancelled),
    versions: { jobs: version, pods: podsVersion },
  };
}

/**
 * Reads only which runs a person wants cancelled, a list that is nearly always empty, and by their names the Jobs that no
 * row may know of: those of accepted runs whose time is over.
 */
export async function viewUnlisted(
  deps: Looking,
  all: readonly { readonly atWork: readonly StoredRun[] }[],
): Promise<ClusterView> {
  const names = all
    .flatMap(({ atWork }) => atWork)
    .filter(({ run }) => run.status === "accepted" && run.notBefore <= deps.clock.now())
    .map(({ run }) => jobNameOf(run, deps.instance));
  const [cancelled, glances] = await Promise.all([
    deps.cluster.listCancelled(),
    pLimit(CONCURRENCY).map(names, (name) => deps.cluster.glance(name)),
  ]);
  // A list shows no retired Job either.
  const seen = glances.flatMap((glance) => (glance && !isRetired(glance) ? [glance.listing] : []));
  return {
    jobs: new Map(seen.map((job) => [job.name, job])),
    pods: new Map(),
    cancelled: new Set(cancelled),
  };
}

/**
 * Names the Job that a run's next step is about: the last attempt's while that one is being retired, else this
 * attempt's.
 */
export function jobNameOf(run: Run, instance: string): string {
  if (run.jobName !== undefined) return run.jobName;
  return jobName({ module: run.module, instance, key: run, attempt: run.attempt });
}

/** Says whether the list shows a Job of the run's attempt that its row doesn't know of yet. */
export function isJobUnrecorded(run: Run, instance: string, { jobs }: ClusterView): boolean {
  return (run.status === "accepted" || run.status === "waiting") && jobs.has(jobNameOf(run, instance));
}

/**
 * Says whether a person wants the run cancelled. The label counts on each of its Jobs, because a run that waits out a
 * back-off has only earlier ones.
 */
export function isCancelled(run: Run, instance: string, { cancelled }: ClusterView): boolean {
  if (cancelled.size === 0) return false;
  const attempts = Array.from({ length: run.attempt }, (_, index) => index + 1);
  return attempts.some((attempt) => cancelled.has(jobName({ module: run.module, instance, key: run, attempt })));
}

/** The pod is at its init containers, and so many are over, or are sidecars that have started. */
const AT_INIT = /^Init:(\d+)\/\d+$/;

/**
 * Whether a pod surely runs. `NotReady` says that a container has ended and another one runs. A third one may be kept
 * from starting, unless all but one are ready.
 */
function runs({ status, ready, containers }: PodListing): boolean {
  return status === "Running" || (status === "NotReady" && ready === containers - 1);
}

/**
 * Whether an init container is over that is no sidecar. The next container is at work by then, or the status would say
 * why not. Sidecars prove nothing, because one of them may never start. One that has started is ready, unless it has a
 * readiness probe.
 */
function isPastInit({ status, ready }: PodListing): boolean {
  return Number(AT_INIT.exec(status)?.[1] ?? 0) > ready;
}

/** Whether the status leaves open if a container is at work, or is only about to start. */
function isUnclear({ status }: PodListing): boolean {
  return AT_INIT.test(status) || status === "NotReady";
}

/**
 * Says the phase of a run's Job, as the light lists show it. `mayProve`: whether the Job's start would end what speaks
 * against its module. Then it is worth a look whether its init containers have started, because they do the work if
 * there is a `handler`.
 */
export function phaseOf(
  run: Run,
  name: string,
  view: ClusterView,
  {
    module,
    now,
    mayProve = false,
    urlEnds,
    isLookDue = () => true,
  }: {
    readonly module: Module | undefined;
    readonly now: EpochMs;
    readonly mayProve?: boolean;
    /** Why a Job that has not started has to be replaced: see `endOfBodyUrl`. */
    readonly urlEnds?: AttemptEnd | undefined;
    /** Whether a Job that is late to start is to be looked at in this tick. Asked only for such Jobs. */
    readonly isLookDue?: () => boolean;
  },
): JobSeen {
  const job = view.jobs.get(name);
  if (!job) return { phase: "absent", confirmed: false };
  switch (job.state) {
    case "suspended":
      return {
        phase: "suspended",
        ...(view.pods.has(name) ? { hasPod: true } : {}),
        ...(urlEnds ? { stuck: urlEnds } : {}),
      };
    case "terminating":
      return { phase: "terminating" };
    case "complete":
      return { phase: "succeeded" };
    case "failed":
      return { phase: "failed" };
    case "active": {
      const pod = view.pods.get(name);
      if (pod && runs(pod)) return { phase: "running" };
      const age = now - (run.dispatchedAt ?? now);
      const isOverdue = run.jobOverdueAt !== undefined && now > run.jobOverdueAt;
      const isLate = urlEnds !== undefined || isOverdue || (module !== undefined && age > module.startTimeoutMs);
      if (pod && isLate && !mayProve && isPastInit(pod)) return { phase: "running" };
      // What keeps a Job from starting counts only once it is late: a controller that is behind by thousands of pods must
      // not be asked about each of them in every tick.
      const isDue = isLate && (pod !== undefined || age > START_GRACE_MS) && isLookDue();
      const looksBad = pod !== undefined && (looksStuck(pod.status) || (mayProve && isUnclear(pod)));
      // If the list's word for the Job is unknown, it may mean anything: only the Job itself can tell.
      return { phase: "pending", suspect: isDue || looksBad || job.unknownStatus !== undefined };
    }
    default:
      return job.state satisfies never;
  }
}
