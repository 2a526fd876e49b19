import { type AttemptEnd, type Run, type RunKey, runId } from "./run.ts";

/**
 * Describes an attempt's end for people, such as `Job thumbnail-x-1-4, attempt 4 of 4: exit code 1: no space left on
 * device`. Attempt 0 stands for a run that had none.
 */
export function describeEnd(
  run: Pick<Run, "attempt" | "jobName">,
  end: AttemptEnd,
  counts: { readonly failures: number; readonly interruptions: number; readonly maxAttempts: number },
): string {
  if (run.attempt === 0) return `no attempt was made: ${end.detail}`;
  // Attempts that cost nothing have numbers too, so "attempt 7 of 4" could come about. Then the failures are counted
  // instead.
  const attempt =
    counts.interruptions === 0 && run.attempt <= counts.maxAttempts
      ? `attempt ${run.attempt} of ${counts.maxAttempts}`
      : `attempt ${run.attempt}, failure ${counts.failures} of ${counts.maxAttempts} and ${counts.interruptions} interruptions`;
  return `${run.jobName ? `Job ${run.jobName}` : "no Job"}, ${attempt}: ${end.detail}`;
}

/** Describes for people why no Job can work on the message of a run. */
export function describeProblem(run: RunKey, problem: string): string {
  return `${runId(run)}: ${problem}`;
}

/** Gives what a description says of the end or the problem itself, without what it says of the run. */
export function detailOf(run: RunKey, description: string): string {
  const ofRun = describeProblem(run, "");
  if (description.startsWith(ofRun)) return description.slice(ofRun.length);
  return description.replace(OF_ATTEMPT, "");
}

const OF_ATTEMPT =
  /^(?:no attempt was made|(?:Job \S+|no Job), attempt \d+(?: of \d+|, failure \d+ of \d+ and \d+ interruptions)): /;
