import type { EpochMs } from "../clock.ts";
import { backoffMs } from "./backoff.ts";
import { concluded, nextAttempt } from "./change-run.ts";
import { describeEnd } from "./describe-end.ts";
import type { Reason } from "./reasons.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import type { AttemptEnd, Run, Verdict } from "./run.ts";

/** Another attempt follows: its counts, and when it may start. */
export interface Retry {
  readonly do: "retry";
  readonly end: AttemptEnd;
  readonly failures: number;
  readonly interruptions: number;
  readonly notBefore: EpochMs;
}

/** No attempt follows: the message is settled by this verdict. */
export interface Conclude {
  readonly do: "conclude";
  readonly verdict: Verdict;
  readonly failures: number;
  readonly interruptions: number;
}

/**
 * Says what follows when an attempt ended this way: the next one, or the end of the run. Failures and interruptions
 * have budgets of their own. A run that is cancelled before its first attempt is given with attempt 0.
 */
export function afterEnding(run: Run, end: AttemptEnd, retry: RetryPolicy, now: EpochMs): Retry | Conclude {
  const failures = run.failures + (end.kind === "failure" ? 1 : 0);
  const interruptions = run.interruptions + (end.kind === "interruption" ? 1 : 0);
  const conclude = (outcome: "failed" | "cancelled", reason: Reason) =>
    concludeWith(run, { outcome, reason, end, failures, interruptions }, retry);
  switch (end.kind) {
    case "cancel":
      return conclude("cancelled", "Cancelled");
    case "failure":
      if (end.permanent || failures >= retry.maxAttempts) return conclude("failed", end.reason);
      break;
    case "interruption":
      if (interruptions > retry.maxInterruptions) return conclude("failed", "InterruptedTooOften");
      break;
    case "module":
    case "unstarted":
      break;
    default:
      end.kind satisfies never;
  }
  const free = run.attempt - 1;
  const earlier = { failure: run.failures, interruption: run.interruptions, module: free, unstarted: free }[end.kind];
  return { do: "retry", end, failures, interruptions, notBefore: now + backoffMs(run, earlier, retry.backoff) };
}

/** Ends a run whose work must not go on, whatever its budgets say. No further attempt is counted. */
export function cancel(run: Run, end: AttemptEnd, retry: RetryPolicy): Conclude {
  const { failures, interruptions } = run;
  return concludeWith(run, { outcome: "cancelled", reason: "Cancelled", end, failures, interruptions }, retry);
}

/** Makes the end of an attempt from a person's wish. `detail` says how it was expressed. */
export function cancelled(detail: string): AttemptEnd {
  return { reason: "Cancelled", kind: "cancel", permanent: true, detail };
}

/** Makes the run's next row of what follows. */
export function nextRow(run: Run, after: Retry | Conclude, now: EpochMs): Run {
  return after.do === "retry" ? nextAttempt(run, after) : concluded(run, after.verdict, after, now);
}

function concludeWith(
  run: Run,
  how: {
    readonly outcome: "failed" | "cancelled";
    readonly reason: Reason;
    readonly end: AttemptEnd;
    readonly failures: number;
    readonly interruptions: number;
  },
  { maxAttempts }: RetryPolicy,
): Conclude {
  const { outcome, reason, end, failures, interruptions } = how;
  const description = describeEnd(run, end, { failures, interruptions, maxAttempts });
  const exitCode = end.exitCode === undefined ? {} : { exitCode: end.exitCode };
  const unbegun = run.attempt === 0 ? { unbegun: true } : {};
  return {
    do: "conclude",
    verdict: { outcome, reason, description, ...exitCode, ...unbegun },
    failures,
    interruptions,
  };
}
