import type { EpochMs } from "../clock.ts";
import type { Reason } from "./reasons.ts";
import { type Source, sourceName } from "./source.ts";
import type { TimelineEntry } from "./timeline.ts";

/**
 * A run is our record of one message, from acceptance to settlement. An open run is always in one of these statuses:
 *
 * - `accepted`: a process is about to create the attempt's Job. The trigger that inserted the row defers the message and
 *   starts attempt 1; later attempts, and runs that waited, are started by a tick. The run is `dispatched` then, or
 *   `waiting` if the Job can't be created now. If that process died, a tick finds out 15 s later whether the Job exists,
 *   and if not, whether the message is deferred, comes again, or is gone (`lost`).
 * - `waiting`: the attempt that comes next has no Job yet. It waits for its back-off, for a slot under `maxActive`, for a
 *   quota, for its tripped module, or for a cluster that is away. The message is deferred. Only if no slot was free when
 *   it came, the row was first, and the trigger defers it right after. The run is `accepted` once a tick starts it, or
 *   `dispatched` if its Job is found to exist already.
 * - `dispatched`: the attempt's Job exists. Nothing is done as long as it is at work. Once it is over, its end says what
 *   follows: another attempt (`requeueing`) or a verdict (`settling`).
 * - `requeueing`: another attempt follows. `attempt` is its number already, but the last attempt's Job still has to be
 *   retired and the message stamped. Then the run is `waiting`.
 * - `held`: the message would be rejected, and so were ten in a row before it: see `gate-state.ts`. It is deferred, and
 *   its run is neither accepted nor rejected. Once its gate is open, a tick judges the message by the files of that day:
 *   the run is `waiting` then, or `settling` with the verdict that it is rejected.
 * - `settling`: the verdict is recorded. The Job is retired, then the message settled, then the run closed.
 *
 * `decide.ts` alone says which change comes next, `change-run.ts` alone makes it, and each is one conditional write.
 */
export const OPEN_STATUSES = ["accepted", "held", "waiting", "dispatched", "requeueing", "settling"] as const;
export type OpenStatus = (typeof OPEN_STATUSES)[number];

/**
 * `withdrawn`: a redriven run whose letter was never claimed on the bus, because the process that redrove it died. Its
 * letter lies where it lay.
 */
export const CLOSED_STATUSES = ["succeeded", "failed", "rejected", "cancelled", "lost", "withdrawn"] as const;
export type ClosedStatus = (typeof CLOSED_STATUSES)[number];

/** Whether the message of a run in this status is in the dead letter queue, unless somebody has taken it out. */
export function isDeadLettered(status: OpenStatus | ClosedStatus): boolean {
  return status === "failed" || status === "rejected" || status === "cancelled";
}

/**
 * Whether the dead letter of this run can be redriven, as far as its row says. Once it was redriven, as `redriven`, only
 * that run says how the letter is, unless it was withdrawn: then the letter lies where it lay.
 */
export function isRedrivable(
  { status }: { readonly status: OpenStatus | ClosedStatus },
  redriven?: { readonly status: ClosedStatus | "open" },
): boolean {
  return isDeadLettered(status) && (redriven === undefined || redriven.status === "withdrawn");
}

/**
 * Identifies a run. The sequence number alone does not, because an entity that is recreated numbers from 1 again, and
 * its message 42 must not meet the row, Job or blob of the old 42.
 */
export interface RunKey {
  readonly source: Source;
  /** Below `FIRST_PARTITIONED_NUMBER`: partitioned entities are refused. */
  readonly sequenceNumber: number;
  readonly enqueuedAt: EpochMs;
  /**
   * Counts from 1 how often a person had the message's dead letter redriven. Each time is a run of its own, on the same
   * message, with all the rest of its identity. Undefined for the run that began with the delivery.
   */
  readonly redrive?: number;
}

/**
 * How a run is to end. It is in the row before the bus is touched, so that any replica that goes on ends the run the
 * same way.
 */
export interface Verdict {
  readonly outcome: ClosedStatus;
  /** Absent on success. */
  readonly reason?: Reason;
  readonly description?: string;
  readonly exitCode?: number;
  /** Whether the run was cancelled before its first attempt began. */
  readonly unbegun?: boolean;
}

/**
 * What may keep the Job of an attempt from starting, if its own template is to blame. The attempt ends for it: after 30 s
 * for the first three, which a container's state tells, and after `startTimeout` for the others.
 */
export const TEMPLATE_FAULTS = [
  "image",
  /** A Secret or ConfigMap that a variable needs is missing, or the image would run as root. */
  "configuration",
  "command",
  /** A Secret, ConfigMap or claim that a volume needs is missing. */
  "volume",
  /** A policy, Pod Security or a kubelet refuses the pod, or its ServiceAccount is missing. */
  "pod-refused",
  /** No node has the labels that the pod asks for. */
  "node-selector",
] as const;
export type TemplateFault = (typeof TEMPLATE_FAULTS)[number];

/** What may keep the Job of an attempt from starting, if the cluster is to blame. The Job waits, however long. */
export const CLUSTER_HOLDS = [
  /** The cluster has made no pod for the Job, and does not say why. */
  "no-pod",
  "pod-quota",
  /** A webhook that must be asked about the pod does not answer. */
  "pod-webhook",
  /** No node takes the pod now, or no scheduler has looked at it. */
  "no-node",
  "scheduling-gate",
  /** The pod has a node, and none of its containers has started. */
  "no-container",
] as const;
export type ClusterHold = (typeof CLUSTER_HOLDS)[number];

/** What keeps the Job of an attempt from starting. */
export interface Hold {
  readonly cause: TemplateFault | ClusterHold;
  readonly since: EpochMs;
  /** For people, in the cluster's words. */
  readonly detail: string;
}

/** Why one attempt ended, as the cluster or the Dispatcher saw it. */
export interface AttemptEnd {
  readonly reason: Reason;
  /**
   * `failure`: the work's fault. `interruption`: the cluster took the work away. `cancel`: a person's wish. Failures
   * and interruptions have budgets of their own, and these two cost the message nothing: `module` is the fault of a
   * tripped module's template, and `unstarted` the end of a Job of which no container had started, through no fault of
   * its template.
   */
  readonly kind: "failure" | "interruption" | "cancel" | "module" | "unstarted";
  /** No further attempt can help (a permanent exit code, a template that the API server refuses). */
  readonly permanent: boolean;
  /** For people: the condition or exit code, and the last line of the log if there is one. */
  readonly detail: string;
  readonly exitCode?: number;
  /** What kept the Job from starting, if the module's template may be to blame. It is never in the row. */
  readonly startFault?: TemplateFault | "refused";
}

/** One message's run while it is open. Times are ms since 1970; counts start at 0, `attempt` at 1. */
export interface Run extends RunKey {
  readonly status: OpenStatus;
  readonly module: string;
  /** The sender's own id, subject and correlation id: data, never part of an identity. */
  readonly messageId: string;
  readonly correlationId?: string;
  readonly subject?: string;
  readonly traceparent?: string;
  readonly acceptedAt: EpochMs;
  readonly expiresAt?: EpochMs;
  readonly attempt: number;
  readonly failures: number;
  readonly interruptions: number;
  /** Whether the body is over the inline limit. Jobs then read it from a blob, which is deleted when the run closes. */
  readonly bodyInBlob: boolean;
  /** Nothing is tried before this: a back-off, a busy message, a full quota. */
  readonly notBefore: EpochMs;
  /** When the attempt's Job was created. */
  readonly dispatchedAt?: EpochMs;
  /**
   * Until when the attempt's Job is surely not overdue. First that is its time limit from its creation on. The first
   * look after it moves it to the limit of the pod that runs, because neither suspended nor pending time counts.
   */
  readonly jobOverdueAt?: EpochMs;
  /** What keeps the attempt's Job from starting, as a look last found it, and since when: see `Hold`. */
  readonly heldUpBy?: Hold["cause"];
  readonly heldUpSince?: EpochMs;
  readonly jobName?: string;
  readonly jobUid?: string;
  /** Why the Dispatcher itself ends the attempt's Job. The Job's own condition will only say `DeadlineExceeded`. */
  readonly endOrdered?: AttemptEnd;
  readonly verdict?: Verdict;
  readonly lastError?: string;
  readonly logsUrl?: string;
  /** When the first of the two peeks missed the message that it takes to believe that it is gone. */
  readonly absentSince?: EpochMs;
  /** How often another receiver held the message's lock: the wait doubles each time. */
  readonly busyCount: number;
  /**
   * Where the letter of a redriven run lies in the dead letter queue, if not at the number and the enqueued time of the
   * message that it was: the service does not promise that it keeps them.
   */
  readonly letterNumber?: number;
  readonly letterEnqueuedAt?: EpochMs;
  /** What happened to it, oldest first: see `timeline.ts`. Nothing is decided by it. Older releases wrote none. */
  readonly timeline?: readonly TimelineEntry[];
}

/** A run that is over. Its row stays as the permanent lock of its identity until the history is purged. */
export interface ClosedRun extends Omit<Run, "status"> {
  readonly status: ClosedStatus;
  readonly closedAt: EpochMs;
  /** Whether it was `held` until it was closed, so that it is to be judged if it is reopened. */
  readonly wasHeld?: boolean;
}

/**
 * How many attempts a run had by its end: none if its message was rejected, or cancelled while it waited for the first.
 */
export function attemptsHad({ attempt, verdict }: Pick<ClosedRun, "attempt" | "verdict">): number {
  return verdict?.outcome === "rejected" || verdict?.unbegun === true ? 0 : attempt;
}

/**
 * Names a run in logs, annotations and commands, such as `thumbnails:42:1732400000000`, or with `:r1` behind it if it is
 * the first redrive of its message's dead letter.
 */
export function runId(key: RunKey): string {
  return key.redrive === undefined ? originalId(key) : `${originalId(key)}:r${key.redrive}`;
}

/** Whether two ids name the same run. The service does not care how the name of a source is written. */
export function isSameId(id: string, other: string): boolean {
  return id.toLowerCase() === other.toLowerCase();
}

/**
 * Names the run with which a message was first accepted. It is what a worker sees, however often its message is redriven,
 * so that it can tell work that it has done before.
 */
export function originalId(key: RunKey): string {
  return `${sourceName(key.source)}:${key.sequenceNumber}:${key.enqueuedAt}`;
}

/** Gives the identity of a run alone. */
export function keyOf({ source, sequenceNumber, enqueuedAt, redrive }: RunKey): RunKey {
  const key = { source, sequenceNumber, enqueuedAt };
  return redrive === undefined ? key : { ...key, redrive };
}

/**
 * Says since when a run has its place in line: since its message was enqueued, so that a retry comes back to its old
 * place. A redriven run has it since it was redriven, so that a thousand old letters keep no new message waiting. Its
 * age counts from then, because an old letter that was just redriven is not stuck.
 */
export function inLineSince({ redrive, enqueuedAt, acceptedAt }: Turn): EpochMs {
  return redrive === undefined ? enqueuedAt : acceptedAt;
}

/** What of a run says when its turn is. */
type Turn = Pick<Run, "redrive" | "enqueuedAt" | "acceptedAt">;

/** Compares two runs of one source: the one that is to start first comes first. */
export function byTurn(a: Run, b: Run): number {
  return inLineSince(a) - inLineSince(b) || byAge(a, b);
}

/** Compares two runs of one source: the one whose message was enqueued first comes first. */
export function byAge(a: RunKey, b: RunKey): number {
  return a.enqueuedAt - b.enqueuedAt || a.sequenceNumber - b.sequenceNumber || (a.redrive ?? 0) - (b.redrive ?? 0);
}
