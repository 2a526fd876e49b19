import type { CoreV1Event, V1ContainerStatus, V1Job, V1Pod } from "@kubernetes/client-node";
import type { EpochMs } from "../clock.ts";
import type { AttemptEnd } from "../run/run.ts";
import { NOT_READY, QUOTA_FULL, WEBHOOK_DOWN } from "./admission-texts.ts";
import { hasStarted, lastLine, workContainers } from "./pod-containers.ts";

export type StartJudgement =
  /**
   * The Job can't start, or took too long to start. The attempt has to be ended, because the cluster itself would wait
   * for ever.
   */
  | { readonly stuck: AttemptEnd }
  /** The Job may still start. The text says to people why it has not. */
  | { readonly waiting: string }
  /** A container of the work runs, or has run. */
  | { readonly running: true };

/**
 * How long most waiting reasons may last. Many pass by themselves, such as a registry's hiccup or a Secret that is
 * created a moment later.
 */
const GRACE_MS = 30_000;

/** A reason with which a container will hardly ever start. Any other reason has the start timeout. */
interface WaitingReason {
  /** How long it may last, in ms. */
  readonly graceMs: number;
  /** What is at fault, as in `AttemptEnd.startFault`. */
  readonly fault: "image" | "configuration" | "command";
}

const IMAGE: WaitingReason = { graceMs: GRACE_MS, fault: "image" };
const CONFIGURATION: WaitingReason = { graceMs: GRACE_MS, fault: "configuration" };
const COMMAND: WaitingReason = { graceMs: GRACE_MS, fault: "command" };

/**
 * The reasons that count, with the file of the kubelet (`pkg/kubelet/`, Kubernetes 1.36) that sets each. The runtime
 * gives the two of cri-api, and the kubelet passes them on.
 */
const WAITING_REASONS: Readonly<Record<string, WaitingReason>> = {
  /** `images/types.go`: the image's name is malformed, so that waiting doesn't help. */
  InvalidImageName: { ...IMAGE, graceMs: 0 },
  /**
   * `images/types.go`: the image does not exist, may not be pulled, or its registry is away. The two reasons take
   * turns.
   */
  ErrImagePull: IMAGE,
  ImagePullBackOff: IMAGE,
  /** `images/types.go`: the pull policy is `Never`, and the image isn't on this node. */
  ErrImageNeverPull: IMAGE,
  /** `images/types.go`: the runtime can't look at the image. */
  ImageInspectError: IMAGE,
  /** cri-api's `pkg/errors/errors.go`: the registry is away, or the image's signature is not valid. */
  RegistryUnavailable: IMAGE,
  SignatureValidationFailed: IMAGE,
  /** `kuberuntime/kuberuntime_container.go`: a ConfigMap, Secret or key is missing, or the image would run as root. */
  CreateContainerConfigError: CONFIGURATION,
  /** `kuberuntime/kuberuntime_container.go`: the runtime can't create the container. */
  CreateContainerError: CONFIGURATION,
  /** `container/sync_result.go`: the runtime can't start the command. */
  RunContainerError: COMMAND,
  /**
   * `kuberuntime/kuberuntime_container.go`: the kubelet's own step before the start fails, or the container's hook
   * after it.
   */
  PreStartHookError: COMMAND,
  PostStartHookError: COMMAND,
};

/**
 * Words of the scheduler if some node may take the pod later, because it is only full, drained, or unhealthy. They are
 * those of Kubernetes 1.31 to 1.36, of which the last names no taint, in `pkg/scheduler/framework/plugins/`
 * (`noderesources`, `nodeports`, `nodevolumelimits`, `volumebinding`, `volumerestrictions`, `dynamicresources`,
 * `interpodaffinity`, `podtopologyspread`, `nodeunschedulable`, `tainttoleration`) and in `pkg/scheduler/scheduler.go`.
 * If no node's reason is among them, the template is to blame: its selector, affinity or tolerations.
 */
const LATER_PERHAPS: readonly RegExp[] = [
  /\bInsufficient |Too many pods|exceed max volume count|free ports|enough free storage|cannot allocate all claims/,
  /anti-affinity|topology spread constraints(?! \()|already in-use|no available disk/,
  /no nodes available|were unschedulable|taint \{node\.(cloudprovider\.)?kubernetes\.io\//,
];

/**
 * Whether a pod's status, as kubectl prints it, means that a container may never start, so that the Job needs a closer
 * look.
 */
export function looksStuck(podStatus: string): boolean {
  return Object.hasOwn(WAITING_REASONS, podStatus.replace(/^Init:/, ""));
}

/**
 * Says whether an active Job has started, waits, or will never start. It may wait without limit for a quota, for a
 * webhook that is down, or while it is suspended. It is stuck if a container can't start, even after others of its pod
 * ran. It compares `now` with the times in the objects, and has no clock of its own.
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

/**
 * Judges a container that can't start. Its waiting state has no time, so that the wait counts from the end of all that
 * came before it.
 */
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

/** Says why a pod does not run yet that has its node, or that no scheduler has looked at. */
function whyPending(pod: V1Pod): string {
  const waiting = workContainers(pod).find(({ state }) => state?.waiting);
  const reason = waiting?.state?.waiting?.reason;
  if (!waiting || reason === undefined) return `its pod is ${pod.status?.phase ?? "new"}`;
  const said = lastLine(waiting.state?.waiting?.message);
  return `${waiting.name} is waiting (${reason})${said === undefined ? "" : `: ${said}`}`;
}

/** Judges a Job without a pod. Only its events say why it has none. */
function judgeWithoutPod(job: V1Job, events: readonly CoreV1Event[], waited: Waited): StartJudgement {
  const refused = events.findLast(({ reason }) => reason === "FailedCreate");
  const message = lastLine(refused?.message);
  if (message !== undefined && QUOTA_FULL.test(message)) return { waiting: `quota: ${message}` };
  if (message !== undefined && (WEBHOOK_DOWN.test(message) || NOT_READY.test(message)))
    return { waiting: `outage: ${message}` };
  const { ms, tooLong } = waited(at(job.status?.startTime) || at(job.metadata?.creationTimestamp));
  const why = message ?? "the cluster has made no pod for it";
  // With an event, a policy or a missing ServiceAccount forbids the pod, which is the same for every Job of the module.
  return tooLong ? notStarted(`no pod after ${duration(ms)}: ${why}`, message && "no pod") : { waiting: why };
}

/** Ends the attempt by the cluster's fault, which has a budget of its own. */
function interrupted(detail: string): StartJudgement {
  return { stuck: { reason: "JobNotStarted", kind: "interruption", permanent: false, detail } };
}

/** Ends the attempt as not started. A `fault` means that the module's template may be to blame. */
function notStarted(detail: string, fault?: string): StartJudgement {
  const startFault = fault === undefined ? {} : { startFault: fault };
  return { stuck: { reason: "JobNotStarted", kind: "failure", permanent: false, detail, ...startFault } };
}

/** Reads a time of an object; 0 if it has none, or one that can't be read. */
function at(time: Date | string | null | undefined): EpochMs {
  const ms = time === undefined || time === null ? 0 : new Date(time).getTime();
  return Number.isNaN(ms) ? 0 : ms;
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
