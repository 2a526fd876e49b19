import type { AttemptEnd, Run } from "./run.ts";

/** For people: `Job thumbnail-x-1-4, attempt 4 of 4: exit code 1: no space left on device`. */
export function describeEnd(
  run: Pick<Run, "attempt" | "jobName">,
  end: AttemptEnd,
  counts: { readonly failures: number; readonly interruptions: number; readonly maxAttempts: number },
): string {
  // Attempts that didn't count have numbers too, so that "attempt 7 of 4" would puzzle; then the failures are what is counted.
  const attempt =
    counts.interruptions === 0 && run.attempt <= counts.maxAttempts
      ? `attempt ${run.attempt} of ${counts.maxAttempts}`
      : `attempt ${run.attempt}, failure ${counts.failures} of ${counts.maxAttempts} and ${counts.interruptions} interruptions`;
  return `${run.jobName ? `Job ${run.jobName}` : "no Job"}, ${attempt}: ${end.detail}`;
}
