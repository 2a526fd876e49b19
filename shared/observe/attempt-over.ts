import type { EpochMs } from "../clock.ts";
import type { JobIdentity } from "../jobs/job-identity.ts";
import type { FoundRun } from "../ports/run-table.ts";

/** Whether a Job's attempt is over by the row of its run: the run is closed, or past that attempt. */
export function isAttemptOver(found: FoundRun, name: string, { attempt }: Pick<JobIdentity, "attempt">): boolean {
  if (found.kind === "closed") return true;
  return found.kind === "open" && found.stored.run.attempt > attempt && found.stored.run.jobName !== name;
}

/**
 * Until when a Job may end by itself though its attempt is over: the Job of a run that was closed as lost while it was at
 * work may, within its own time limits.
 */
export function mayEndUntil(found: FoundRun): EpochMs {
  return found.kind === "closed" && found.run.status === "lost" ? (found.run.jobOverdueAt ?? 0) : 0;
}
