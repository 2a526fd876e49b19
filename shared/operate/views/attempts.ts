import type { EpochMs } from "../../clock.ts";
import { jobName } from "../../jobs/job-name.ts";
import type { Place } from "../../ports/run-table.ts";
import { lastBegun } from "../../run/change-run.ts";
import { attemptsHad, type ClosedRun, type Run } from "../../run/run.ts";

/** Where a run is: see `Place`. */
export type PlaceOfRun = Place | "closed";

/** Whether a run is open. */
export function isOpen(run: Run | ClosedRun): run is Run {
  return !("closedAt" in run);
}

/** Says where a run is by its row. One whose time has just come counts as in line: the next tick moves it there. */
export function placeOf(run: Run | ClosedRun, now: EpochMs): PlaceOfRun {
  if (!isOpen(run)) return "closed";
  if (run.status === "held") return "held";
  if (run.status !== "waiting") return "work";
  return run.notBefore > now ? "later" : "line";
}

/**
 * Says which attempt is at work or was last: that is the one whose Job and log people want. It is 0 if none has begun, as
 * for a message that was rejected, or that waits for its first attempt.
 */
export function shownAttempt(run: Run | ClosedRun): number {
  return isOpen(run) && !run.verdict ? lastBegun(run) : attemptsHad(run);
}

/** Names the Job of an attempt. */
export function jobNameAt({ instance }: { readonly instance: string }, run: Run | ClosedRun, attempt: number): string {
  return run.attempt === attempt && run.jobName !== undefined
    ? run.jobName
    : jobName({ module: run.module, instance, key: run, attempt });
}
