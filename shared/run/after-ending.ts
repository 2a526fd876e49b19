import type { EpochMs } from "../clock.ts";
import { backoffMs } from "./backoff.ts";
import { concluded, nextAttempt } from "./change-run.ts";
import { describeEnding } from "./describe-ending.ts";
import type { Reason } from "./reasons.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import type { Ending, Run, Verdict } from "./run.ts";

/** Another attempt follows: its counts, and when it may start. */
export interface Retry {
  readonly do: "retry";
  readonly ending: Ending;
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

/** What follows when an attempt ended this way: the next one, or the end of the run. Failures and interruptions have budgets of their own. */
export function afterEnding(run: Run, ending: Ending, retry: RetryPolicy, now: EpochMs): Retry | Conclude {
  const failures = run.failures + (ending.kind === "failure" ? 1 : 0);
  const interruptions = run.interruptions + (ending.kind === "interruption" ? 1 : 0);
  const conclude = (outcome: "failed" | "cancelled", reason: Reason) =>
    concludeWith(run, { outcome, reason, ending, failures, interruptions }, retry);
  switch (ending.kind) {
    case "cancel":
      return conclude("cancelled", "Cancelled");
    case "failure":
      if (ending.permanent || failures >= retry.maxAttempts) return conclude("failed", ending.reason);
      break;
    case "interruption":
      if (interruptions > retry.maxInterruptions) return conclude("failed", "InterruptedTooOften");
      break;
    case "module":
      break;
    default:
      ending.kind satisfies never;
  }
  const earlier = { failure: run.failures, interruption: run.interruptions, module: run.attempt - 1 }[ending.kind];
  return { do: "retry", ending, failures, interruptions, notBefore: now + backoffMs(run, earlier, retry.backoff) };
}

/** Ends a run whose work must not go on, whatever its budgets say. No further attempt is counted. */
export function cancel(run: Run, ending: Ending, retry: RetryPolicy): Conclude {
  const { failures, interruptions } = run;
  return concludeWith(run, { outcome: "cancelled", reason: "Cancelled", ending, failures, interruptions }, retry);
}

/** A person's wish as the end of an attempt. `detail`: how it was said. */
export function cancelled(detail: string): Ending {
  return { reason: "Cancelled", kind: "cancel", permanent: true, detail };
}

/** The run's next row. */
export function nextRow(run: Run, after: Retry | Conclude, now: EpochMs): Run {
  return after.do === "retry" ? nextAttempt(run, after) : concluded(run, after.verdict, after, now);
}

function concludeWith(
  run: Run,
  end: {
    readonly outcome: "failed" | "cancelled";
    readonly reason: Reason;
    readonly ending: Ending;
    readonly failures: number;
    readonly interruptions: number;
  },
  { maxAttempts }: RetryPolicy,
): Conclude {
  const { outcome, reason, ending, failures, interruptions } = end;
  const description = describeEnding(run, ending, { failures, interruptions, maxAttempts });
  const exitCode = ending.exitCode === undefined ? {} : { exitCode: ending.exitCode };
  return { do: "conclude", verdict: { outcome, reason, description, ...exitCode }, failures, interruptions };
}
