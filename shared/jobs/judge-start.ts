import type { CoreV1Event, V1Job, V1Pod } from "@kubernetes/client-node";
import type { EpochMs } from "../clock.ts";
import { type AttemptEnd, type Hold, TEMPLATE_FAULTS, type TemplateFault } from "../run/run.ts";
import { isRefusal, NOT_READY, QUOTA_FULL, WEBHOOK_DOWN } from "./admission-texts.ts";
import { lastSeen } from "./last-seen.ts";
import { allContainers, hasStarted, lastLine, workContainers } from "./pod-containers.ts";

export type StartJudgement =
  /**
   * The Job's own template keeps it from starting, and did for too long. The attempt has to be ended, because the
   * cluster itself would wait for ever.
   */
  | { readonly stuck: AttemptEnd }
  /**
   * Something keeps the Job from starting: its template, and not for too long yet, or the cluster, for longer than the
   * start timeout.
   */
  | { readonly held: Hold }
  /** The Job may still start in time. The text says to people why it has not. */
  | { readonly waiting: string }
  /** A container of the work runs, or has run. */
  | { readonly running: true };

/**
 * How long most waiting reasons may last. Many pass by themselves, such as a registry's hiccup or a Secret that is
 * created a moment later.
 */
const GRACE_MS = 30_000;

/** A reason with which a container will hardly ever start. With any other reason it is waited for. */
interface WaitingReason {
  /** How long it may last, in ms. */
  readonly graceMs: number;
  readonly fault: Extract<TemplateFault, "image" | "configuration" | "command">;
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
 * How long what an event says holds. The cluster repeats an event while it lasts, but for one object only every five
 * minutes if there are many.
 */
const EVENT_HOLDS_MS = 15 * 60_000;

/** The scheduler's words if no node has the labels that the pod asks for, from `plugins/nodeaffinity` (1.31 to 1.36). */
const WRONG_NODES =
  /^0\/(\d+) nodes are available: (\d+) node\(s\) didn't match Pod's node affinity\/selector\.(?: |$)/;

/** The scheduler's words if the template names a claim that does not exist, from `plugins/volumebinding`. */
const NO_CLAIM = /^0\/\d+ nodes are available: persistentvolumeclaim "[^"]+" not found\./;

/** The kubelet's words if a volume needs a Secret or ConfigMap, or a key of one, that does not exist. */
const NO_VOLUME_DATA = /\b(secret|configmap) "[^"]+" not found|references non-existent (secret|config) key/i;

/** What of its template keeps a pod from starting. */
export interface TemplateBlame {
  readonly cause: TemplateFault;
  /** For people, in the cluster's words. */
  readonly detail: string;
}

/** A fault of the template of which a kubelet tells in the events of the pod. */
interface ToldFault {
  readonly cause: TemplateFault;
  readonly says: (event: CoreV1Event) => boolean;
  /** Reasons of events that tell of a later step, which the fault would have kept from coming. */
  readonly denies: ReadonlySet<string>;
}

/** The reasons are in the kubelet's `events/event.go`. */
const VOLUME_TOLD: ToldFault = {
  cause: "volume",
  says: ({ reason, message }) => reason === "FailedMount" && NO_VOLUME_DATA.test(message ?? ""),
  denies: new Set(["Pulling", "Pulled", "Created", "Started", "FailedCreatePodSandBox"]),
};

/** The words are in the kubelet's `images/image_manager.go`. */
const IMAGE_TOLD: ToldFault = {
  cause: "image",
  says: ({ reason = "", message = "" }) =>
    reason === "InspectFailed" ||
    reason === "ErrImageNeverPull" ||
    /^(Failed to pull image|Back-off pulling image|Error: ErrImage|Error: ImagePull)/.test(message),
  denies: new Set(["Pulled"]),
};

/** The words are in the kubelet's `kuberuntime/kuberuntime_container.go`. */
const CONTAINER_TOLD: ToldFault = {
  cause: "configuration",
  says: ({ reason, message }) => reason === "Failed" && message?.startsWith("Error: ") === true,
  denies: new Set(["Created"]),
};

/**
 * Whether a pod's status, as kubectl prints it, means that a container may never start, so that the Job needs a closer
 * look.
 */
export function looksStuck(podStatus: string): boolean {
  return Object.hasOwn(WAITING_REASONS, podStatus.replace(/^Init:/, ""));
}

interface Seen {
  readonly job: V1Job;
  readonly pods: readonly V1Pod[];
  /** The events of the pod, or of the Job if it has none. Without them only what the objects tell is judged. */
  readonly events: readonly CoreV1Event[];
  /** What held up this Job at an earlier look. */
  readonly before?: Pick<Hold, "cause" | "since"> | undefined;
  readonly now: EpochMs;
  readonly startTimeoutMs: number;
}

/**
 * Says whether an active Job has started, waits, or will never start. Only what names its own template makes it stuck: a
 * container's image, configuration or command, after 30 s, even after others of its pod ran; and a volume, a refused
 * pod, or a selector that fits no node, after the start timeout. Whatever else keeps it from starting is the cluster's
 * doing, and is waited for without limit. It compares `now` with the times in the objects, and has no clock of its own.
 */
export function judgeStart(seen: Seen): StartJudgement {
  const { job, pods, events, now } = seen;
  if (job.spec?.suspend === true) return { waiting: "suspended" };
  const pod = pods.findLast(({ metadata }) => metadata?.deletionTimestamp === undefined) ?? pods.at(-1);
  const recent = events.filter((event) => now - (lastSeen(event) ?? now) < EVENT_HOLDS_MS);
  if (!pod) {
    const began = at(job.status?.startTime) || at(job.metadata?.creationTimestamp);
    return judgeWait(seen, began, whyNoPod(recent), "no pod");
  }
  const phase = pod.status?.phase;
  if (phase === "Succeeded" || phase === "Failed") return { running: true };
  const block = blockedBy(pod);
  if (block) return judgeBlock(seen, block);
  if (hasStarted(pod)) return { running: true };
  return judgeWait(seen, at(pod.metadata?.creationTimestamp), whyPending(pod, recent), "not started");
}

/** Why a Job does not start, so far as it can be told. */
type Why = Pick<Hold, "cause" | "detail">;

/**
 * Judges a container that can't start. Its waiting state has no time, so that the wait counts from when a look first
 * found it so.
 */
function judgeBlock({ before, now }: Seen, { fault, graceMs, detail }: Block): StartJudgement {
  const since = before?.cause === fault ? before.since : now;
  return now - since >= graceMs ? notStarted(fault, detail) : { held: { cause: fault, since, detail } };
}

/**
 * Judges a Job that waits since `began` for its pod, a node or a start. The time counts anew if the cause is another one
 * than at an earlier look: nodes that were full for hours may be replaced by nodes of another kind for a moment.
 */
function judgeWait(
  { before, now, startTimeoutMs }: Seen,
  began: EpochMs,
  { cause, detail }: Why,
  what: string,
): StartJudgement {
  const fault = TEMPLATE_FAULTS.find((one) => one === cause);
  const since = before?.cause === cause ? before.since : before && fault ? now : began;
  const isLate = now - since >= startTimeoutMs;
  if (fault && isLate) return notStarted(fault, `${what} after ${duration(now - began)}: ${detail}`);
  const isToBeNoted = fault ? before !== undefined : isLate;
  return isToBeNoted ? { held: { cause, since, detail } } : { waiting: detail };
}

/** Says why a pod does not run yet, none of whose containers has started or is blocked. */
function whyPending(pod: V1Pod, events: readonly CoreV1Event[]): Why {
  const scheduled = (pod.status?.conditions ?? []).find(({ type }) => type === "PodScheduled");
  if (scheduled?.reason === "SchedulingGated")
    return { cause: "scheduling-gate", detail: "its pod is held back by a scheduling gate" };
  const said = lastLine(scheduled?.message);
  if (scheduled?.status === "False") {
    const detail = [scheduled.reason ?? "not scheduled", said].filter(Boolean).join(": ");
    return { cause: unscheduledBy(scheduled.message ?? ""), detail };
  }
  const hasNode = pod.spec?.nodeName !== undefined || scheduled !== undefined || pod.status?.startTime !== undefined;
  if (!hasNode) return { cause: "no-node", detail: "no scheduler has looked at its pod" };
  return faultTold(VOLUME_TOLD, events) ?? { cause: "no-container", detail: whyNoContainer(pod) };
}

/**
 * Says what of its template kept a pod from starting until its own deadline ended it, by the events of the pod, or if it
 * has none any more, by what an earlier look found. Undefined if nothing of its template did.
 */
export function faultByEvents(
  events: readonly CoreV1Event[],
  before: Hold["cause"] | undefined,
): TemplateBlame | undefined {
  for (const told of [VOLUME_TOLD, IMAGE_TOLD, CONTAINER_TOLD]) {
    const fault = faultTold(told, events);
    if (fault) return fault;
  }
  const cause = TEMPLATE_FAULTS.find((one) => one === before);
  if (cause === undefined || events.length > 0) return undefined;
  return { cause, detail: `an earlier look found the template's ${cause} to blame` };
}

/** Finds the last event that tells of a fault, unless a later one denies it. */
function faultTold({ cause, says, denies }: ToldFault, events: readonly CoreV1Event[]): TemplateBlame | undefined {
  const last = events.findLast(says);
  if (!last) return undefined;
  const since = lastSeen(last) ?? 0;
  if (events.some((event) => denies.has(event.reason ?? "") && (lastSeen(event) ?? 0) > since)) return undefined;
  return { cause, detail: lastLine(last.message) ?? last.reason ?? cause };
}

/** Says whose doing it is that no node takes a pod: the template's only if it alone rules out every single node. */
function unscheduledBy(message: string): "node-selector" | "volume" | "no-node" {
  const [, all, wrong] = WRONG_NODES.exec(message) ?? [];
  if (all !== undefined && all === wrong) return "node-selector";
  return NO_CLAIM.test(message) ? "volume" : "no-node";
}

function whyNoContainer(pod: V1Pod): string {
  const waiting = allContainers(pod).find(({ state }) => state?.waiting);
  const reason = waiting?.state?.waiting?.reason;
  if (!waiting || reason === undefined) return `its pod is ${pod.status?.phase ?? "new"}`;
  const said = lastLine(waiting.state?.waiting?.message);
  return `${waiting.name} is waiting (${reason})${said === undefined ? "" : `: ${said}`}`;
}

/** Says why a Job has no pod. Only its events tell. */
function whyNoPod(events: readonly CoreV1Event[]): Why {
  const message = lastLine(events.findLast(({ reason }) => reason === "FailedCreate")?.message);
  if (message === undefined) return { cause: "no-pod", detail: "the cluster has made no pod for it" };
  if (QUOTA_FULL.test(message)) return { cause: "pod-quota", detail: message };
  if (WEBHOOK_DOWN.test(message) || NOT_READY.test(message)) return { cause: "pod-webhook", detail: message };
  // A policy, or a missing ServiceAccount, forbids the pod of every Job of the module.
  return { cause: isRefusal(message) ? "pod-refused" : "no-pod", detail: message };
}

/** A container that can't start. */
interface Block extends WaitingReason {
  readonly detail: string;
}

/**
 * Finds a container that its template keeps from starting. A sidecar counts until the work has started, because the work
 * does not start before it.
 */
export function blockedBy(pod: V1Pod): Block | undefined {
  const waited = hasStarted(pod) ? workContainers(pod) : allContainers(pod);
  for (const { name, state } of waited) {
    const { reason = "", message } = state?.waiting ?? {};
    if (!Object.hasOwn(WAITING_REASONS, reason)) continue;
    const said = lastLine(message);
    const detail = `${name} can't start (${reason})${said === undefined ? "" : `: ${said}`}`;
    return { ...(WAITING_REASONS[reason] ?? IMAGE), detail };
  }
  return undefined;
}

/** Ends the attempt as not started, by its template's fault. */
function notStarted(startFault: TemplateFault, detail: string): StartJudgement {
  return { stuck: { reason: "JobNotStarted", kind: "failure", permanent: false, detail, startFault } };
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
