import type { V1ContainerStatus, V1Job, V1JobCondition, V1Pod } from "@kubernetes/client-node";
import type { AttemptEnd } from "../run/run.ts";
import { hasStarted, lastLine, workContainers } from "./pod-containers.ts";

/** Pod reasons with which a kubelet or the control plane takes a pod away, or refuses it, through no fault of the work. */
const CLUSTERS_FAULT =
  /^(NodeLost|NodeShutdown|NodeAffinity|Terminated|Shutdown|Preempting|UnexpectedAdmissionError|OutOf\w+)$/;

/** Container reasons that say: the node lost track of it. The exit code beside them is made up. */
const LOST_TRACK = new Set(["ContainerStatusUnknown", "Unknown"]);

/** Container reasons that say: the image is there, but its command could not be run. */
const NEVER_RAN = new Set(["StartError", "ContainerCannotRun"]);

/**
 * How an attempt ended, told from its Job and the Job's pods; undefined while the Job has no terminal condition `Failed`. The work's fault
 * and the cluster's are kept apart, for they have separate budgets.
 */
export function judgeEnd(job: V1Job, pods: readonly V1Pod[]): AttemptEnd | undefined {
  // guard: terminal-conditions, failure
  const failed = (job.status?.conditions ?? []).find(({ type, status }) => type === "Failed" && status === "True");
  if (!failed) return undefined;
  const pod = newest(pods);
  if (failed.reason === "DeadlineExceeded") return jobDeadline(job, failed);
  if (failed.reason === "PodFailurePolicy") return byFailurePolicy(failed, pod);
  if (pod) return byPod(pod, failed);
  // A pod that somebody deletes leaves no trace but its absence.
  return failed.reason === "BackoffLimitExceeded"
    ? interruption("its pod was deleted")
    : failure("JobFailed", conditionText(failed));
}

/** The Job's own deadline, the backstop, deletes the pod. A Job that never had one only waited, for a quota most likely. */
function jobDeadline(job: V1Job, failed: V1JobCondition): AttemptEnd {
  if ((job.status?.failed ?? 0) === 0)
    return interruption("the Job's deadline passed before the cluster made a pod for it");
  return failure("JobTimedOut", `the Job's own deadline passed (${conditionText(failed)})`);
}

function byFailurePolicy(failed: V1JobCondition, pod: V1Pod | undefined): AttemptEnd {
  const message = failed.message ?? "";
  if (/ has condition DisruptionTarget /.test(message) || disruption(pod)) return disrupted(failed, pod);
  // The message is the only trace where the pod is gone.
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

/** Rows in order: the first that holds decides. */
function byPod(pod: V1Pod, failed: V1JobCondition): AttemptEnd {
  const { reason, message } = pod.status ?? {};
  if (disruption(pod)) return disrupted(failed, pod);
  if (reason === "DeadlineExceeded") return podDeadline(pod);
  if (reason !== undefined && CLUSTERS_FAULT.test(reason)) return interruption(withLine(reason, lastLine(message)));
  const container = failedContainer(pod);
  const ended = container?.state?.terminated;
  if (deletedBefore(pod, ended?.finishedAt)) return interruption("its pod was deleted");
  if (ended && LOST_TRACK.has(ended.reason ?? ""))
    return interruption(`the node lost track of ${container.name} (${ended.reason})`);
  // Evicted without DisruptionTarget: the pod used more storage than its own limits allow.
  if (reason === "Evicted") return failure("JobFailed", withLine("evicted", lastLine(message)));
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

/** The pod's deadline also counts while an image is pulled: a pod may use it up without ever running. */
function podDeadline(pod: V1Pod): AttemptEnd {
  const limit = pod.spec?.activeDeadlineSeconds;
  const after = limit === undefined ? "maxRunningTime" : `maxRunningTime (${limit} s)`;
  if (hasStarted(pod))
    return failure("JobTimedOut", withLine(`ran longer than ${after}`, lineOf(failedContainer(pod))));
  const waiting = workContainers(pod).find(({ state }) => state?.waiting)?.state?.waiting;
  const why = waiting
    ? withLine(waiting.reason ?? "waiting", lastLine(waiting.message))
    : lastLine(pod.status?.message);
  return failure("JobNotStarted", withLine(`${after} passed before any container ran`, why));
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

/** Whether somebody asked for the pod's deletion before the work ended. Its deletion time is when the grace period will be over. */
function deletedBefore(pod: V1Pod, finishedAt: Date | undefined): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata ?? {};
  if (deletionTimestamp === undefined) return false;
  const askedAt = new Date(deletionTimestamp).getTime() - deletionGracePeriodSeconds * 1000;
  return finishedAt === undefined || new Date(finishedAt).getTime() >= askedAt;
}

/** The first container, in the order in which they run, that ended with anything but 0. */
function failedContainer(pod: V1Pod | undefined): V1ContainerStatus | undefined {
  return pod && workContainers(pod).find(({ state }) => state?.terminated && state.terminated.exitCode !== 0);
}

/** An attempt is one pod. Should there ever be more, the last one tells. */
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

function interruption(detail: string): AttemptEnd {
  return { reason: "JobFailed", kind: "interruption", permanent: false, detail };
}
