import type { EpochMs } from "../clock.ts";
import type { JobSeen } from "../run/decide.ts";
import { type Run, runId } from "../run/run.ts";

/** A Job that is late to start is looked at again after this: by the next tick that lists, a minute later. */
const LOOK_AGAIN_MS = 55_000;
/** So long for each of them, if they are many: all replicas' API server has other work than to be asked about them. */
const LOOK_SHARE_MS = 100;

/**
 * What one tick tells the next about Jobs. These are hints, not state: a replica that forgets them looks once more, or
 * leaves out a log line.
 */
export interface Hints {
  /** Whether a run's Job, which is late to start, is to be looked at now. Each is looked at once a minute, or less often. */
  isLookDue(run: Run, now: EpochMs): boolean;
  /** Says whether a run's Job is suspended that ran in the last tick. */
  isPreempted(seen: { readonly jobName: string; readonly job: JobSeen }): boolean;
  /** A tick that listed is over: what it did not speak of is forgotten. */
  endTick(): void;
}

export function makeHints(): Hints {
  let lookedAt: ReadonlyMap<string, EpochMs> = new Map();
  let ran: ReadonlySet<string> = new Set();
  let nextLookedAt = new Map<string, EpochMs>();
  let nextRan = new Set<string>();
  return {
    isLookDue(run, now) {
      const before = lookedAt.get(runId(run));
      const isDue = before === undefined || now - before >= Math.max(LOOK_AGAIN_MS, lookedAt.size * LOOK_SHARE_MS);
      nextLookedAt.set(runId(run), isDue ? now : before);
      return isDue;
    },
    isPreempted({ jobName, job: { phase } }) {
      if (phase === "running") nextRan.add(jobName);
      return phase === "suspended" && ran.has(jobName);
    },
    endTick() {
      [lookedAt, ran, nextLookedAt, nextRan] = [nextLookedAt, nextRan, new Map(), new Set()];
    },
  };
}
