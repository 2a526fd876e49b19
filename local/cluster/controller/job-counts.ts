import type { Job, Pod } from "../store/wire.ts";
import { judgePodFailure } from "./pod-failure-policy.ts";

/** What the controller remembers about a Job beyond its status, because pods may be gone before they are counted. */
export interface JobMemory {
  readonly judged: Set<string>;
  /** Pods that a suspension ended. They count neither as succeeded nor as failed. */
  readonly uncounted: Set<string>;
  succeeded: number;
  failed: number;
  lastFailureAt: number;
  /** Set once a rule of the failure policy says that the Job has failed. */
  policyMessage: string | undefined;
}

export function newMemory(): JobMemory {
  return {
    judged: new Set(),
    uncounted: new Set(),
    succeeded: 0,
    failed: 0,
    lastFailureAt: 0,
    policyMessage: undefined,
  };
}

/** Counts each pod once, when it has ended or is gone. A pod that goes without having succeeded has failed. */
export function countPod(memory: JobMemory, job: Job, pod: Pod, isGone: boolean): void {
  const { uid } = pod.metadata;
  const phase = pod.status?.phase;
  const isOver = phase === "Succeeded" || phase === "Failed";
  if (!(isOver || isGone) || memory.judged.has(uid) || memory.uncounted.has(uid)) return;
  memory.judged.add(uid);
  if (phase === "Succeeded") {
    memory.succeeded += 1;
    return;
  }
  const action = judgePodFailure(job, pod);
  if (action.kind === "ignore") return;
  memory.failed += 1;
  memory.lastFailureAt = Date.now();
  if (action.kind === "failJob") memory.policyMessage ??= action.message;
}

/** The Job's status with its pods counted anew. */
export function countedStatus(job: Job, memory: JobMemory, alive: readonly Pod[]): NonNullable<Job["status"]> {
  const { active: _active, failed: _failed, succeeded: _succeeded, ...rest } = job.status ?? {};
  return {
    ...rest,
    ...(alive.length > 0 ? { active: alive.length } : {}),
    ready: alive.filter(isReady).length,
    terminating: alive.filter(({ metadata }) => metadata.deletionTimestamp !== undefined).length,
    ...(memory.failed > 0 ? { failed: memory.failed } : {}),
    ...(memory.succeeded > 0 ? { succeeded: memory.succeeded } : {}),
    uncountedTerminatedPods: {},
  };
}

function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
}
