import type { CoreV1Event, V1ContainerStatus, V1Job, V1Pod } from "@kubernetes/client-node";
import type { EpochMs } from "../clock.ts";
import type { AttemptEnd } from "../run/run.ts";
import { NOT_READY, QUOTA_FULL, WEBHOOK_DOWN } from "./admission-texts.ts";
import { hasStarted, lastLine, workContainers } from "./pod-containers.ts";

export type StartJudgement =
  /** It can't start, or took too long to: the attempt is to be ended, for the cluster itself would wait for ever. */
  | { readonly stuck: AttemptEnd }
  /** It may still start. Why it has not, for people. */
  | { readonly waiting: string }
  /** A container of the work runs, or has run. */
  | { readonly running: true };

/** Most of these pass by themselves at times: a registry that hiccups, a Secret that is created just after. */
const GRACE_MS = 30_000;

/** Why a container waits, where it will hardly ever start. Any other reason has the start timeout. */
interface WaitingReason {
  /** How long that may last, ms. */
  readonly graceMs: number;
  /** What they have in common: see `Ending.startFault`. */
  readonly fault: "image" | "configuration" | "command";
}

const IMAGE: WaitingReason = { graceMs: GRACE_MS, fault: "image" };
const CONFIGURATION: WaitingReason = { graceMs: GRACE_MS, fault: "configuration" };
const COMMAND: WaitingReason = { graceMs: GRACE_MS, fault: "command" };

const WAITING_REASONS: Readonly<Record<string, WaitingReason>> = {
  /** The name breaks the grammar: no wait helps. */
  InvalidImageName: { ...IMAGE, graceMs: 0 },
  /** No such image, no right to it, or its registry is away; the two take turns. */
  ErrImagePull: IMAGE,
  ImagePullBackOff: IMAGE,
  /** The image may not be pulled, and isn't on this node. */
  ErrImageNeverPull: IMAGE,
  ImageInspectError: IMAGE,
  RegistryUnavailable: IMAGE,
  SignatureValidationFailed: IMAGE,
  /** A ConfigMap, Secret or key that is missing; an image that would run as root. */
  CreateContainerConfigError: CONFIGURATION,
  CreateContainerError: CONFIGURATION,
  RunContainerError: COMMAND,
  PreStartHookError: COMMAND,
  PostStartHookError: COMMAND,
};

/**
 * What the scheduler says where some node may take the pod later: it is full, drained, or not well. Words of Kubernetes 1.31 to 1.36, the last
 * of which names no taint. Where no node's reason is one of these, it is the template's: a selector, an affinity, a taint.
 */
const LATER_PERHAPS: readonly RegExp[] = [
  /\bInsufficient |Too many pods|exceed max volume count|free ports|enough free storage|cannot allocate all claims/,
  /anti-affinity|topology spread constraints(?! \()|already in-use|no available disk/,
  /no nodes available|were unschedulable|taint \{node\.(cloudprovider\.)?kubernetes\.io\//,
];

/** Whether a pod's status, as kubectl prints it, tells of a container that may never start: the Job is worth a closer look. */
export function looksStuck(podStatus: string): boolean {
  return Object.hasOwn(WAITING_REASONS, podStatus.replace(/^Init:/, ""));
}

/**
 * Whether an active Job starts, waits, or never will. Waiting for a quota, for a webhook that is
 * down, or for whoever suspended it is never held against it. A container
 * that can't start is, even after others of its pod ran. No clock of its own: `now` and the times in the objects are compared.
 */
export function judgeStart(seen: {
  readonly job: V1Job;
  readonly pods: readonly V1Pod[];
  readonly events: readonly CoreV1Event[];
  readonly now: EpochMs;
  readonly startTimeoutMs: number;
}): StartJudgement {
  const { job, pods, events, now, startTimeoutMs } = seen;
  if (job.spec?.suspend === true) return { waiting: "suspended" };
  const pod = pods.findLast(({ metadata }) => metadata?.deletionTimestamp === undefined) ?? pods.at(-1);
  const waited = (since: EpochMs) => ({ ms: now - since, tooLong: now - since >= startTimeoutMs });
  return pod ? judgePod(pod, now, waited) : judgeWithoutPod(job, events, waited);
}

type Waited = (since: EpochMs) => { readonly ms: number; readonly tooLong: boolean };

function judgePod(pod: V1Pod, now: EpochMs, waited: Waited): StartJudgement {
  const phase = pod.status?.phase;
  if (phase === "Succeeded" || phase === "Failed") return { running: true };
  const blocked = workContainers(pod).find(({ state }) => Object.hasOwn(WAITING_REASONS, state?.waiting?.reason ?? ""));
  if (blocked) return judgeBlocked(pod, blocked, now);
  if (hasStarted(pod)) return { running: true };

  const unmet = (pod.status?.conditions ?? []).find(
    ({ type, status }) => type === "PodScheduled" && status === "False",
  );
  if (unmet?.reason === "SchedulingGated") return { waiting: "its pod is held back by a scheduling gate" };
  const { ms, tooLong } = waited(at(pod.metadata?.creationTimestamp));
  const why = unmet
    ? [unmet.reason ?? "not scheduled", lastLine(unmet.message)].filter(Boolean).join(": ")
    : whyPending(pod);
  if (!tooLong) return { waiting: why };
  const detail = `not started after ${duration(ms)}: ${why}`;
  return LATER_PERHAPS.some((words) => words.test(unmet?.message ?? "")) ? interrupted(detail) : notStarted(detail);
}

/** The container's waiting state has no time of its own, so that the wait is counted from whatever had to be over before it. */
function judgeBlocked(pod: V1Pod, container: V1ContainerStatus, now: EpochMs): StartJudgement {
  const { reason = "", message } = container.state?.waiting ?? {};
  const since = Math.max(
    at(pod.metadata?.creationTimestamp),
    at(pod.status?.startTime),
    ...workContainers(pod).map(({ state }) => at(state?.terminated?.finishedAt)),
  );
  const said = lastLine(message);
  const detail = `${container.name} can't start (${reason})${said === undefined ? "" : `: ${said}`}`;
  const { graceMs, fault } = WAITING_REASONS[reason] ?? IMAGE;
  return now - since >= graceMs ? notStarted(detail, fault) : { waiting: detail };
}

/** Why a pod that has its node, or that no scheduler has looked at, does not run yet. */
function whyPending(pod: V1Pod): string {
  const waiting = workContainers(pod).find(({ state }) => state?.waiting);
  const reason = waiting?.state?.waiting?.reason;
  if (!waiting || reason === undefined) return `its pod is ${pod.status?.phase ?? "new"}`;
  const said = lastLine(waiting.state?.waiting?.message);
  return `${waiting.name} is waiting (${reason})${said === undefined ? "" : `: ${said}`}`;
}

/** A Job without a pod says why only in its events. */
function judgeWithoutPod(job: V1Job, events: readonly CoreV1Event[], waited: Waited): StartJudgement {
  const refused = events.findLast(({ reason }) => reason === "FailedCreate");
  const message = lastLine(refused?.message);
  if (message !== undefined && QUOTA_FULL.test(message)) return { waiting: `quota: ${message}` };
  if (message !== undefined && (WEBHOOK_DOWN.test(message) || NOT_READY.test(message)))
    return { waiting: `outage: ${message}` };
  const { ms, tooLong } = waited(at(job.status?.startTime) || at(job.metadata?.creationTimestamp));
  const why = message ?? "the cluster has made no pod for it";
  // Words that are the same for each Job: a pod that policy or a missing ServiceAccount forbids.
  return tooLong ? notStarted(`no pod after ${duration(ms)}: ${why}`, message && "no pod") : { waiting: why };
}

/** The cluster's fault, not the work's: it has a budget of its own. */
function interrupted(detail: string): StartJudgement {
  return { stuck: { reason: "JobNotStarted", kind: "interruption", permanent: false, detail } };
}

/** `fault`: where its template may be to blame. */
function notStarted(detail: string, fault?: string): StartJudgement {
  const startFault = fault === undefined ? {} : { startFault: fault };
  return { stuck: { reason: "JobNotStarted", kind: "failure", permanent: false, detail, ...startFault } };
}

/** 0 where there is none, or none that can be read. */
function at(time: Date | string | null | undefined): EpochMs {
  const ms = time === undefined || time === null ? 0 : new Date(time).getTime();
  return Number.isNaN(ms) ? 0 : ms;
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
