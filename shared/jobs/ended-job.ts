import type { V1Job, V1Pod } from "@kubernetes/client-node";
import type { EpochMs } from "../clock.ts";
import { finishedAt, isRetired } from "./job-identity.ts";

/**
 * A Job that is over and not retired yet, as it was read a moment ago. With this it is retired without another read. If
 * its pod proves it, the cluster may say so only a second later.
 */
export interface EndedJob {
  readonly uid: string;
  /** When it finished, or an earlier time, in ms. */
  readonly finishedSince: EpochMs;
  /** All its pods, if they were listed when it was over already. Their containers don't change any more. */
  readonly pods?: readonly V1Pod[];
}

/** Reads what retires a Job, from the Job itself. Undefined if it is not over, or is retired, or is suspended. */
export function endedJob(job: V1Job, pods?: readonly V1Pod[]): EndedJob | undefined {
  const finished = finishedAt(job);
  const uid = job.metadata?.uid;
  if (finished === undefined || uid === undefined || isRetired(job) || job.spec?.suspend === true) return undefined;
  return { uid, finishedSince: finished, ...(pods ? { pods } : {}) };
}

/**
 * Reads the same from the pods of a Job that is said to be complete, or to have a pod that succeeded: one of them has to
 * belong to the Job of this uid, and to have succeeded. Undefined if none does. The Job finishes after that pod was
 * made, and the pod does not say when: its own times are of its node's clock.
 */
export function succeededJob(uid: string, pods: readonly V1Pod[]): EndedJob | undefined {
  const pod = pods.find(
    ({ metadata, status }) =>
      status?.phase === "Succeeded" && metadata?.ownerReferences?.some((owner) => owner.uid === uid),
  );
  const madeAt = pod?.metadata?.creationTimestamp;
  return madeAt && { uid, finishedSince: new Date(madeAt).getTime(), pods };
}
