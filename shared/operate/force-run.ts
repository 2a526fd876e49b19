import type { Dependencies } from "../dependencies.ts";
import { finishedAt } from "../jobs/job-identity.ts";
import { retryOf } from "../jobs/run-limits.ts";
import type { Log } from "../log.ts";
import { afterEnding, cancel, nextRow } from "../run/after-ending.ts";
import { type AttemptEnd, type Run, type RunKey, runId } from "../run/run.ts";
import { type Change, changeOpenRun } from "./change-open-run.ts";
import { already, type RepairOutcome, refused } from "./outcome.ts";

/** What a person may say that came of an attempt whose Job can't end. */
export const FORCED_OUTCOMES = ["completed", "dead-lettered", "retried"] as const;
export type ForcedOutcome = (typeof FORCED_OUTCOMES)[number];

const FORCED: AttemptEnd = {
  reason: "JobFailed",
  kind: "interruption",
  permanent: false,
  detail: "its Job could not end, and was given up by hand",
};

/**
 * Gives up an attempt whose Job can't end, on a dead node most likely. The message is settled as the person says, or another attempt follows;
 * the Job is retired. Whoever says so answers for it that the work is not going on: nobody here can tell. Repeating it is harmless.
 */
export async function forceRun(deps: Dependencies, key: RunKey, as: ForcedOutcome, log: Log): Promise<RepairOutcome> {
  const outcome = await changeOpenRun(deps, key, ({ run }) => forced(deps, run, as));
  if (outcome.kind === "done") log.warn("gave up a job by hand", { runId: runId(key), as });
  return outcome;
}

async function forced(deps: Dependencies, run: Run, as: ForcedOutcome): Promise<Change> {
  if (run.status === "requeueing" && as === "retried")
    return already("its Job is given up, and the next attempt follows");
  if (run.verdict) {
    const isWanted = as !== "retried" && (as === "completed") === (run.verdict.outcome === "succeeded");
    const why = `its verdict is recorded (${run.verdict.outcome}): the next ticks settle its message`;
    return isWanted ? already(why) : refused(why);
  }
  if (run.status !== "dispatched" || run.jobName === undefined) return refused("it has no Job: cancel it instead");
  const job = await deps.cluster.get(run.jobName);
  if (job && finishedAt(job) !== undefined) return refused(`Job ${run.jobName} has ended: the next tick judges it`);
  return given(run, as, deps);
}

function given(run: Run, as: ForcedOutcome, deps: Dependencies): Change {
  const now = deps.clock.now();
  const retry = retryOf(run, deps);
  switch (as) {
    case "completed": {
      const after = {
        do: "conclude",
        verdict: { outcome: "succeeded" },
        failures: run.failures,
        interruptions: run.interruptions,
      } as const;
      return { next: nextRow(run, after, now), why: "the next tick completes its message" };
    }
    case "dead-lettered":
      return { next: nextRow(run, cancel(run, FORCED, retry), now), why: "the next tick dead-letters its message" };
    case "retried": {
      const after = afterEnding(run, FORCED, retry, now);
      const last = "it was its last: the next tick dead-letters its message";
      return {
        next: nextRow(run, after, now),
        why: after.do === "retry" ? `attempt ${run.attempt + 1} follows` : last,
      };
    }
    default:
      return as satisfies never;
  }
}
