import type { AttemptEnd, Run } from "./run.ts";

/**
 * Describes an attempt's end for people, such as `Job thumbnail-x-1-4, attempt 4 of 4: exit code 1: no space left on
 * device`.
 */
export function describeEnd(
  run: Pick<Run, "attempt" | "jobName">,
  end: AttemptEnd,
  counts: { readonly failures: number; readonly interruptions: number; readonly maxAttempts: number },
): string {
  // Attempts that cost nothing have numbers too, so "attempt 7 of 4" could come about. Then the failures are counted
  // instead.
  const attempt =
    counts.interruptions === 0 && run.attempt <= counts.maxAttempts
      ? `attempt ${run.attempt} of ${counts.maxAttempts}`
      : `attempt ${run.attempt}, failure ${counts.failures} of ${counts.maxAttempts} and ${counts.interruptions} interruptions`;
  return `${run.jobName ? `Job ${run.jobName}` : "no Job"}, ${attempt}: ${end.detail}`;
}
