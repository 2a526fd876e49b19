import type { V1ContainerStatus, V1Job, V1JobCondition, V1Pod } from "@kubernetes/client-node";
import type { AttemptEnd, TemplateFault } from "../run/run.ts";
import { blockedBy, type TemplateBlame } from "./judge-start.ts";
import { allContainers, hasStarted, lastLine, workContainers } from "./pod-containers.ts";

/**
 * Pod reasons with which a kubelet or the control plane removes or refuses a pod, through no fault of the work. They
 * come from the kubelet's `lifecycle/predicate.go`, `nodeshutdown/nodeshutdown_manager.go`, `events/event.go` and
 * `cm/topologymanager/topology_manager.go`, and from `pkg/util/node/node.go`.
 */
const CLUSTERS_FAULT =
  /^(NodeLost|NodeShutdown|NodeAffinity|Terminated|Shutdown|Preempting|UnexpectedAdmissionError|TopologyAffinityError|OutOf\w+)$/;

/**
 * Pod reasons with which a kubelet refuses a pod that no node would run, because of what its template asks for. They come
 * from the kubelet's `lifecycle/predicate.go`, `lifecycle/handlers.go`, `lifecycle/features_linux.go` and
 * `sysctl/allowlist.go`.
 */
const TEMPLATES_FAULT =
  /^(PodOS\w+|InitContainerRestartPolicyForbidden|SupplementalGroupsPolicyNotSupported|AppArmor|PodFeatureUnsupported|PodLevelResources\w+|SysctlForbidden)$/;

/**
 * Container reasons that mean that the node lost track of the container. The exit code beside them is invented. The
 * first is the kubelet's (`container/runtime.go`), the second containerd's (`internal/cri/server/helpers.go`).
 */
const LOST_TRACK = new Set(["ContainerStatusUnknown", "Unknown"]);

/**
 * Container reasons that mean that the image is there, but its command could not be run. The first is containerd's
 * (`internal/cri/server/helpers.go`).
 */
const NEVER_RAN = new Set(["StartError", "ContainerCannotRun"]);

/**
 * What a kubelet says when it evicts a pod that used more storage than its own limits allow. The words come from the
 * kubelet's `eviction/helpers.go`.
 */
const OVER_ITS_LIMIT = /exceed(s|ed) .*limit /;

/**
 * Reasons of a pod's condition `DisruptionTarget` with which the control plane gives up a pod whose node it does not hear
 * from. They come from the controllers `tainteviction` and `podgc`.
 */
const NODE_GONE = new Set(["DeletionByTaintManager", "DeletionByPodGC"]);

/**
 * Says how an attempt ended, by its Job and the Job's pods. Undefined while the Job has no terminal condition `Failed`.
 * Faults of the work and of the cluster are kept apart, because they have separate budgets. An end costs nothing if no
 * container had started and the template is not to blame. If a pod is gone without a trace it may have started, which is
 * the careful guess: its work may have been begun.
 */
export function judgeEnd(job: V1Job, pods: readonly V1Pod[]): AttemptEnd | undefined {
  const failed = failedCondition(job);
  if (!failed) return undefined;
  if (failed.reason === "DeadlineExceeded") return jobDeadline(job, failed);
  const pod = newest(pods);
  const end = failed.reason === "PodFailurePolicy" ? byFailurePolicy(failed, pod) : byPod(failed, pod);
  return pod === undefined || mayHaveStarted(pod, end) ? end : beforeStart(pod, end);
}

function failedCondition(job: V1Job): V1JobCondition | undefined {
  // guard: terminal-conditions, failure
  return (job.status?.conditions ?? []).find(({ type, status }) => type === "Failed" && status === "True");
}

/**
 * Judges a Job that its own deadline ended, which deletes the pod. The Dispatcher sets one only to end a Job, and then
 * the row says why; so something else did.
 */
function jobDeadline(job: V1Job, failed: V1JobCondition): AttemptEnd {
  if ((job.status?.failed ?? 0) === 0)
    return unstarted("something else ended the Job by its deadline, before the cluster made a pod for it");
  return interruption(`something else ended the Job by its deadline (${conditionText(failed)})`);
}

/** Whether the Job's own deadline ended it. */
export function isEndedByDeadline(job: V1Job): boolean {
  return failedCondition(job)?.reason === "DeadlineExceeded";
}

/** The end of an attempt none of whose containers had started, if it turns out to be its template's fault. */
export function blamed(end: AttemptEnd, { cause, detail }: TemplateBlame): AttemptEnd {
  return templatesFault(cause, `${end.detail}: ${detail}`);
}

function byFailurePolicy(failed: V1JobCondition, pod: V1Pod | undefined): AttemptEnd {
  const message = failed.message ?? "";
  if (/ has condition DisruptionTarget /.test(message) || disruption(pod)) return disrupted(failed, pod);
  // The policy matched an exit code that was invented.
  if (pod && isLost(pod)) return byPod(failed, pod);
  // If the pod is gone, the message is the only trace.
  const said = /^Container (\S+) for pod \S+ failed with exit code (\d+) /.exec(message);
  const container = failedContainer(pod);
  const name = container?.name ?? said?.[1];
  const exitCode = container?.state?.terminated?.exitCode ?? (said?.[2] === undefined ? undefined : Number(said[2]));
  if (name === undefined || exitCode === undefined)
    return { ...failure("JobFailed", conditionText(failed)), permanent: true };
  const line = lineOf(container);
  const detail = withLine(`${name} exited with code ${exitCode}, which is permanent`, line);
  return { ...failure("JobFailed", detail, exitCode), permanent: true };
}

/** Judges by the pod. The first rule that holds decides. */
function byPod(failed: V1JobCondition, pod: V1Pod | undefined): AttemptEnd {
  // A deleted pod leaves no trace but its absence.
  if (!pod && failed.reason === "BackoffLimitExceeded") return interruption("its pod was deleted");
  if (!pod) return failure("JobFailed", conditionText(failed));
  const { reason, message } = pod.status ?? {};
  if (disruption(pod)) return disrupted(failed, pod);
  if (reason === "DeadlineExceeded") return podDeadline(pod);
  if (reason !== undefined && CLUSTERS_FAULT.test(reason)) return interruption(withLine(reason, lastLine(message)));
  const container = failedContainer(pod);
  const ended = container?.state?.terminated;
  if (deletedBefore(pod, ended?.finishedAt)) return interruption("its pod was deleted");
  // Without DisruptionTarget, a pod is evicted because it used more storage than its own limits allow. Its node may then
  // lose track of the container that it kills.
  if (reason === "Evicted") return failure("JobFailed", withLine("evicted", lastLine(message)));
  if (container && ended && isLost(pod))
    return interruption(`the node lost track of ${container.name} (${ended.reason})`);
  if (!container || !ended) return failure("JobFailed", withLine(conditionText(failed), lastLine(message)));
  if (NEVER_RAN.has(ended.reason ?? "")) {
    const detail = withLine(`${container.name} could not be started (${ended.reason})`, lastLine(ended.message));
    return { ...failure("JobNotStarted", detail, ended.exitCode), startFault: "command" };
  }
  const how =
    ended.reason === "OOMKilled"
      ? `${container.name} ran out of memory (OOMKilled, exit code ${ended.exitCode})`
      : `${container.name} exited with code ${ended.exitCode}`;
  return failure("JobFailed", withLine(how, lineOf(container)), ended.exitCode);
}

/**
 * Judges a pod that its own deadline ended. The deadline also counts while an image is pulled, so that the pod may
 * never have run.
 */
function podDeadline(pod: V1Pod): AttemptEnd {
  const limit = pod.spec?.activeDeadlineSeconds;
  const after = limit === undefined ? "maxRunningTime" : `maxRunningTime (${limit} s)`;
  if (hasStarted(pod))
    return failure("JobTimedOut", withLine(`ran longer than ${after}`, lineOf(failedContainer(pod))));
  return unstarted(`${after} passed before any container ran`);
}

/**
 * Whether a container of the work started, or may have. A node that lost track of it can't tell, and neither can a pod
 * that says nothing at all. A container that filled its storage did start, though a node that evicts the pod within a
 * second may never have seen it run. Neither may a node have said so that went away after it had taken the pod.
 */
function mayHaveStarted(pod: V1Pod, end: AttemptEnd): boolean {
  if (hasStarted(pod) || end.startFault === "command" || isOverItsLimit(pod) || isOfLostNode(pod)) return true;
  const saysNothing = allContainers(pod).length === 0 && pod.status?.reason === undefined;
  return (end.kind !== "unstarted" && isLost(pod)) || (end.kind === "failure" && saysNothing);
}

/** Judges a pod that ended before any of its containers had started. That costs nothing, unless its template is to blame. */
function beforeStart(pod: V1Pod, end: AttemptEnd): AttemptEnd {
  const { reason = "", message } = pod.status ?? {};
  const block = blockedBy(pod);
  if (block) return blamed(end, { cause: block.fault, detail: block.detail });
  if (TEMPLATES_FAULT.test(reason)) return templatesFault("pod-refused", withLine(reason, lastLine(message)));
  return unstarted(end.detail);
}

function isOverItsLimit({ status }: V1Pod): boolean {
  return status?.reason === "Evicted" && OVER_ITS_LIMIT.test(status.message ?? "");
}

/** Whether the control plane gave up the pod because it did not hear from the node that had taken it. */
function isOfLostNode(pod: V1Pod): boolean {
  if (pod.status?.startTime === undefined) return false;
  return pod.status.reason === "NodeLost" || NODE_GONE.has(disruption(pod)?.reason ?? "");
}

/** Whether the pod's node lost track of the first container that ended badly. It may have run. */
function isLost(pod: V1Pod): boolean {
  return LOST_TRACK.has(failedContainer(pod)?.state?.terminated?.reason ?? "");
}

function disrupted(failed: V1JobCondition, pod: V1Pod | undefined): AttemptEnd {
  const condition = disruption(pod);
  const why = condition
    ? withLine(condition.reason ?? "DisruptionTarget", lastLine(condition.message))
    : conditionText(failed);
  return interruption(`the cluster took its pod away: ${why}`);
}

function disruption(pod: V1Pod | undefined) {
  return (pod?.status?.conditions ?? []).find(({ type, status }) => type === "DisruptionTarget" && status === "True");
}

/**
 * Whether the pod's deletion was ordered before the work ended. A pod's deletion time is the end of its grace period.
 */
function deletedBefore(pod: V1Pod, finishedAt: Date | undefined): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata ?? {};
  if (deletionTimestamp === undefined) return false;
  const askedAt = new Date(deletionTimestamp).getTime() - deletionGracePeriodSeconds * 1000;
  return finishedAt === undefined || new Date(finishedAt).getTime() >= askedAt;
}

/** Finds the first container, in the order in which they run, that ended with another code than 0. */
function failedContainer(pod: V1Pod | undefined): V1ContainerStatus | undefined {
  return pod && workContainers(pod).find(({ state }) => state?.terminated && state.terminated.exitCode !== 0);
}

/** Finds the last pod. An attempt has one; if the cluster ever made more, the last one counts. */
function newest(pods: readonly V1Pod[]): V1Pod | undefined {
  return pods.toSorted((a, b) => createdAt(a) - createdAt(b)).at(-1);
}

function createdAt(pod: V1Pod): number {
  return new Date(pod.metadata?.creationTimestamp ?? 0).getTime();
}

function lineOf(container: V1ContainerStatus | undefined): string | undefined {
  return lastLine(container?.state?.terminated?.message);
}

function conditionText(condition: V1JobCondition): string {
  return withLine(condition.reason ?? "Failed", lastLine(condition.message));
}

function withLine(text: string, line: string | undefined): string {
  return line === undefined ? text : `${text}: ${line}`;
}

function failure(reason: AttemptEnd["reason"], detail: string, exitCode?: number): AttemptEnd {
  return { reason, kind: "failure", permanent: false, detail, ...(exitCode === undefined ? {} : { exitCode }) };
}

/** The end of an attempt none of whose containers had started, by its template's fault. */
function templatesFault(startFault: TemplateFault, detail: string): AttemptEnd {
  return { ...failure("JobNotStarted", detail), startFault };
}

/** The end of an attempt none of whose containers had started, through no fault of its template. */
function unstarted(detail: string): AttemptEnd {
  return { reason: "JobNotStarted", kind: "unstarted", permanent: false, detail };
}

function interruption(detail: string): AttemptEnd {
  return { reason: "JobFailed", kind: "interruption", permanent: false, detail };
}
