import type { ClusterState } from "./cluster-state.ts";
import { type Job, type Pod, timestamp } from "./wire.ts";

export type PropagationPolicy = "Background" | "Foreground" | "Orphan";

/**
 * Marks a pod for deletion. The node ends the pod's processes and then removes it. Deleting again can only shorten the
 * grace period.
 */
export function deletePod(state: ClusterState, pod: Pod, graceSeconds?: number): Pod {
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
  const wanted = graceSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
  const isOver = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
  const seconds = isOver ? 0 : Math.min(wanted, deletionGracePeriodSeconds ?? wanted);
  if (deletionTimestamp !== undefined && seconds === deletionGracePeriodSeconds) return pod;
  const metadata = {
    ...pod.metadata,
    deletionTimestamp: timestamp(Date.now() + seconds * 1000),
    deletionGracePeriodSeconds: seconds,
  };
  return state.pods.replace({ ...pod, metadata }) ?? pod;
}

/** Deletes a Job. Depending on the policy its pods are deleted at once, deleted before it, or left alone. */
export function deleteJob(state: ClusterState, job: Job, policy: PropagationPolicy): void {
  const pods = state.podsOf(job);
  if (policy === "Orphan") {
    for (const pod of pods) {
      const { ownerReferences: _, ...metadata } = pod.metadata;
      state.pods.replace({ ...pod, metadata });
    }
    state.jobs.remove(job);
    return;
  }
  if (policy === "Foreground" && pods.length > 0) {
    // The controller removes the Job when its last pod is gone.
    const metadata = { ...job.metadata, deletionTimestamp: timestamp(), finalizers: ["foregroundDeletion"] };
    state.jobs.replace({ ...job, metadata });
  } else {
    state.jobs.remove(job);
  }
  for (const pod of pods) deletePod(state, pod);
}
