import type { EpochMs } from "../clock.ts";
import type { Reason } from "./reasons.ts";
import { type Source, sourceName } from "./source.ts";

/**
 * A run is our record of one message, from acceptance to settlement.
 *
 * | status       | means                                                                       | leaves by                                   |
 * | ------------ | --------------------------------------------------------------------------- | ------------------------------------------- |
 * | `accepted`   | the row exists; the message may not be deferred yet                         | deferred: `waiting`, `dispatched`; gone: `lost` |
 * | `waiting`    | deferred; this attempt has no Job yet (back-off, cap, quota, pause, outage) | Job created or adopted: `dispatched`        |
 * | `dispatched` | this attempt's Job exists                                                   | Job ended: `requeueing` or `settling`       |
 * | `requeueing` | `attempt` is the next one already; the last Job's logs, patch and the abandon are due | done: `waiting`                   |
 * | `settling`   | the verdict is recorded; the Job is retired, then the message settled       | settled: closed                             |
 *
 * Only `decide.ts` says which change comes next, and every change is one conditional write.
 */
export const OPEN_STATUSES = ["accepted", "waiting", "dispatched", "requeueing", "settling"] as const;
export type OpenStatus = (typeof OPEN_STATUSES)[number];

export const CLOSED_STATUSES = ["succeeded", "failed", "rejected", "cancelled", "lost"] as const;
export type ClosedStatus = (typeof CLOSED_STATUSES)[number];

/**
 * What identifies a run. The sequence number alone does not: an entity that is recreated numbers from 1 again, and its
 * message 42 must not meet the row, Job or blob of the old 42.
 */
export interface RunKey {
  readonly source: Source;
  /** Below `FIRST_PARTITIONED_NUMBER`: partitioned entities are refused. */
  readonly sequenceNumber: number;
  readonly enqueuedAt: EpochMs;
}

/** How a run is to end, written to the row before the bus is touched, so that whoever comes next ends it the same way. */
export interface Verdict {
  readonly outcome: ClosedStatus;
  /** Absent on success. */
  readonly reason?: Reason;
  readonly description?: string;
  readonly exitCode?: number;
}

/** Why one attempt ended, as the cluster or the Dispatcher saw it. */
export interface AttemptEnd {
  readonly reason: Reason;
  /**
   * `failure`: the work's fault. `interruption`: the cluster's. `cancel`: a person's wish. Each has a budget of its own. `module`: the fault of
   * a tripped module's template, which costs the message nothing.
   */
  readonly kind: "failure" | "interruption" | "cancel" | "module";
  /** No further attempt can help (a permanent exit code, a template that the API server refuses). */
  readonly permanent: boolean;
  /** For people: the condition or exit code, and the last log line where there is one. */
  readonly detail: string;
  readonly exitCode?: number;
  /** What kept the Job from starting, where the module's template may be to blame: the same text for the same cause. Never in the row. */
  readonly startFault?: string;
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
  /** The body is over the inline limit: Jobs read it from a blob, which is deleted when the run closes. */
  readonly bodyInBlob: boolean;
  /** Nothing is tried before this: a back-off, a busy message, a full quota. */
  readonly notBefore: EpochMs;
  /** When the attempt's Job was created or adopted. */
  readonly dispatchedAt?: EpochMs;
  /** When the attempt's Job has to be over, by its own time-outs. Later than this it is stuck, and said to be. */
  readonly jobOverdueAt?: EpochMs;
  readonly jobName?: string;
  readonly jobUid?: string;
  /** Set when the Dispatcher itself ends the attempt: the Job's own condition will only say `DeadlineExceeded`. */
  readonly endOrdered?: AttemptEnd;
  readonly verdict?: Verdict;
  readonly lastError?: string;
  readonly logsUrl?: string;
  /** The first of the two peeks that it takes to believe that the message is gone. */
  readonly absentSince?: EpochMs;
  /** How often the message was found locked by somebody else: the wait doubles with it. */
  readonly busyCount: number;
}

/** A run that is over; kept as the permanent lock of its identity until the history is purged. */
export interface ClosedRun extends Omit<Run, "status"> {
  readonly status: ClosedStatus;
  readonly closedAt: EpochMs;
}

/** `thumbnails:42:1732400000000`: what logs, annotations and people call the run. */
export function runId(key: RunKey): string {
  return `${sourceName(key.source)}:${key.sequenceNumber}:${key.enqueuedAt}`;
}
