import { isDeepStrictEqual } from "node:util";
import type { ClusterState } from "../store/cluster-state.ts";
import { deleteJob, deletePod } from "../store/deletion.ts";
import { keyOf } from "../store/store.ts";
import { type Job, type Pod, timestamp } from "../store/wire.ts";
import { holdingCondition, isFinished, withCondition } from "./job-conditions.ts";
import { countedStatus, countPod, type JobMemory, newMemory } from "./job-counts.ts";
import { podFor } from "./job-pod.ts";

/**
 * The Job controller. It gives each Job one pod and follows it to the Job's terminal condition. It looks at a Job
 * whenever the Job or one of its pods changes, or a time limit of the Job has come. Then it takes the first of these
 * steps that applies, as the real controller does:
 *
 *   Job is finished                          -> delete it when its TTL is over
 *   Job is being deleted                     -> remove it when its last pod is gone
 *   Job has FailureTarget/SuccessCriteriaMet -> set Failed/Complete as soon as no pod runs any more
 *   failure policy says FailJob, too many
 *     failures, or past its deadline         -> set FailureTarget, and delete the running pod
 *   Job is suspended                         -> delete the running pod, uncounted; on resume the deadline starts anew
 *   a pod succeeded                          -> set SuccessCriteriaMet
 *   Job has no pod                           -> create one
 */
export interface JobController {
  close(): void;
}

const FIRST_BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 600_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

export function startJobController(state: ClusterState): JobController {
  return new Controller(state);
}

class Controller implements JobController {
  readonly #state: ClusterState;
  readonly #memories = new Map<string, JobMemory>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #due = new Map<string, { namespace: string; name: string }>();
  readonly #stopListening: (() => void)[];
  #isClosed = false;

  constructor(state: ClusterState) {
    this.#state = state;
    this.#stopListening = [
      state.jobs.listen(({ type, object }) => {
        if (type === "DELETED") this.#forget(object.metadata.uid);
        else this.#enqueue(object.metadata.namespace, object.metadata.name);
      }),
      state.pods.listen(({ type, object }) => this.#seePod(object, type === "DELETED")),
    ];
    // These are of an earlier start, if the cluster remembers one.
    for (const pod of state.pods.inOrder()) this.#seePod(pod, false);
    for (const { metadata } of state.jobs.inOrder()) this.#enqueue(metadata.namespace, metadata.name);
  }

  close(): void {
    this.#isClosed = true;
    for (const stop of this.#stopListening) stop();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#due.clear();
  }

  /** Counts a pod the moment it is seen to have ended, because the next change may be that it is gone. */
  #seePod(pod: Pod, isGone: boolean): void {
    const owner = pod.metadata.ownerReferences?.find(({ kind }) => kind === "Job");
    const job = owner === undefined ? undefined : this.#state.jobs.get(pod.metadata.namespace, owner.name);
    if (job === undefined || job.metadata.uid !== owner?.uid) return;
    countPod(this.#memory(job), job, pod, isGone);
    this.#enqueue(job.metadata.namespace, job.metadata.name);
  }

  #enqueue(namespace: string, name: string): void {
    if (this.#due.size === 0) setImmediate(() => this.#syncDue());
    this.#due.set(keyOf(namespace, name), { namespace, name });
  }

  #syncDue(): void {
    const due = [...this.#due.values()];
    this.#due.clear();
    for (const { namespace, name } of due) {
      const job = this.#state.jobs.get(namespace, name);
      if (job !== undefined && !this.#isClosed) this.#sync(job);
    }
  }

  #sync(job: Job): void {
    const { deletionTimestamp } = job.metadata;
    if (deletionTimestamp !== undefined) {
      if (this.#state.podsOf(job).length === 0) this.#state.jobs.remove(job);
      return;
    }
    if (isFinished(job)) {
      this.#expire(job);
      return;
    }
    const memory = this.#memory(job);
    const pods = this.#state.podsOf(job);
    const alive = pods.filter(({ status }) => status?.phase !== "Succeeded" && status?.phase !== "Failed");
    if (this.#finish(job, memory, alive)) return;
    if (this.#failureTarget(job, memory)) return;
    if (job.spec?.suspend === true) {
      this.#suspend(job, memory, alive);
      return;
    }
    if (job.status?.startTime === undefined) {
      this.#begin(job);
      return;
    }
    this.#wakeAtDeadline(job);
    if (memory.succeeded > 0) {
      const message = "Reached expected number of succeeded pods";
      this.#write(job, memory, alive, {
        conditions: withCondition(job, "SuccessCriteriaMet", true, "CompletionsReached", message),
      });
      return;
    }
    if (alive.length === 0 && (job.spec?.parallelism ?? 1) > 0) this.#createPod(job, memory);
    else this.#write(job, memory, alive, {});
  }

  /** Sets the terminal condition after the early one, as soon as nothing runs any more. */
  #finish(job: Job, memory: JobMemory, alive: readonly Pod[]): boolean {
    const failure = holdingCondition(job, "FailureTarget");
    const success = holdingCondition(job, "SuccessCriteriaMet");
    const early = failure ?? success;
    if (early === undefined) return false;
    if (alive.length > 0) {
      for (const pod of alive) this.#endPod(job, pod);
      return true;
    }
    const { reason = "", message = "" } = early;
    const type = failure === undefined ? "Complete" : "Failed";
    const completionTime = failure === undefined ? { completionTime: timestamp() } : {};
    this.#write(job, memory, alive, { conditions: withCondition(job, type, true, reason, message), ...completionTime });
    if (failure === undefined) this.#state.recordEvent(job, "Normal", "Completed", "Job completed");
    else this.#state.recordEvent(job, "Warning", reason, message);
    return true;
  }

  #failureTarget(job: Job, memory: JobMemory): boolean {
    const fail = (reason: string, message: string): boolean => {
      const conditions = withCondition(job, "FailureTarget", true, reason, message);
      this.#state.jobs.replace({ ...job, status: { ...job.status, conditions } });
      return true;
    };
    if (memory.policyMessage !== undefined) return fail("PodFailurePolicy", memory.policyMessage);
    if (memory.failed > (job.spec?.backoffLimit ?? 6)) {
      return fail("BackoffLimitExceeded", "Job has reached the specified backoff limit");
    }
    const leftMs = msToDeadline(job);
    if (job.spec?.suspend !== true && leftMs !== undefined && leftMs <= 0) {
      return fail("DeadlineExceeded", "Job was active longer than specified deadline");
    }
    return false;
  }

  #suspend(job: Job, memory: JobMemory, alive: readonly Pod[]): void {
    for (const pod of alive) {
      memory.uncounted.add(pod.metadata.uid);
      this.#endPod(job, pod);
    }
    const { startTime, ...status } = job.status ?? {};
    const isTold = holdingCondition(job, "Suspended") !== undefined;
    if (isTold && startTime === undefined && (status.active ?? 0) === alive.length) return;
    const conditions = isTold
      ? (status.conditions ?? [])
      : withCondition(job, "Suspended", true, "JobSuspended", "Job suspended");
    this.#write({ ...job, status }, memory, alive, { conditions });
    if (!isTold) this.#state.recordEvent(job, "Normal", "Suspended", "Job suspended");
  }

  #begin(job: Job): void {
    const wasSuspended = holdingCondition(job, "Suspended") !== undefined;
    const conditions = wasSuspended
      ? { conditions: withCondition(job, "Suspended", false, "JobResumed", "Job resumed") }
      : {};
    this.#state.jobs.replace({ ...job, status: { ...job.status, startTime: timestamp(), ...conditions } });
    if (wasSuspended) this.#state.recordEvent(job, "Normal", "Resumed", "Job resumed");
  }

  #createPod(job: Job, memory: JobMemory): void {
    if (memory.failed > 0) {
      const waitMs = Math.min(FIRST_BACKOFF_MS * 2 ** (memory.failed - 1), MAX_BACKOFF_MS);
      const leftMs = memory.lastFailureAt + waitMs - Date.now();
      if (leftMs > 0) {
        this.#write(job, memory, [], {});
        this.#wake(job, Math.min(leftMs, msToDeadline(job) ?? leftMs));
        return;
      }
    }
    const pod = this.#state.pods.insert(podFor(job));
    this.#state.recordEvent(job, "Normal", "SuccessfulCreate", `Created pod: ${pod.metadata.name}`);
  }

  #endPod(job: Job, pod: Pod): void {
    if (pod.metadata.deletionTimestamp !== undefined) return;
    deletePod(this.#state, pod);
    this.#state.recordEvent(job, "Normal", "SuccessfulDelete", `Deleted pod: ${pod.metadata.name}`);
  }

  /** Stores the Job's counts and the other changes. Stores nothing if nothing changed. */
  #write(job: Job, memory: JobMemory, alive: readonly Pod[], change: NonNullable<Job["status"]>): void {
    const status = { ...countedStatus(job, memory, alive), ...change };
    if (!isDeepStrictEqual(status, job.status)) this.#state.jobs.replace({ ...job, status });
  }

  /** Deletes the Job when its TTL is over. The TTL counts from the terminal condition, whenever that was set. */
  #expire(job: Job): void {
    const ttlSeconds = job.spec?.ttlSecondsAfterFinished;
    if (ttlSeconds === undefined) return;
    const end = holdingCondition(job, "Complete") ?? holdingCondition(job, "Failed");
    const leftMs = Date.parse(end?.lastTransitionTime ?? "") + ttlSeconds * 1000 - Date.now();
    if (leftMs <= 0) deleteJob(this.#state, job, "Foreground");
    else this.#wake(job, leftMs);
  }

  #wakeAtDeadline(job: Job): void {
    const leftMs = msToDeadline(job);
    if (leftMs !== undefined) this.#wake(job, leftMs);
  }

  #wake(job: Job, ms: number): void {
    const { uid, namespace, name } = job.metadata;
    clearTimeout(this.#timers.get(uid));
    const timer = setTimeout(() => this.#enqueue(namespace, name), Math.min(Math.max(ms, 0) + 1, MAX_TIMER_MS));
    this.#timers.set(uid, timer);
  }

  #memory(job: Job): JobMemory {
    let memory = this.#memories.get(job.metadata.uid);
    if (memory === undefined) {
      memory = newMemory();
      this.#memories.set(job.metadata.uid, memory);
    }
    return memory;
  }

  #forget(uid: string): void {
    this.#memories.delete(uid);
    clearTimeout(this.#timers.get(uid));
    this.#timers.delete(uid);
  }
}

/** Milliseconds until the Job's own deadline; undefined if it has none, or doesn't run. */
function msToDeadline(job: Job): number | undefined {
  const seconds = job.spec?.activeDeadlineSeconds;
  const { startTime } = job.status ?? {};
  if (seconds === undefined || startTime === undefined) return undefined;
  return Date.parse(startTime) + seconds * 1000 - Date.now();
}
