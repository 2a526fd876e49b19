import type { Dependencies } from "../dependencies.ts";
import { finishedAt } from "../jobs/job-identity.ts";
import { retryOf } from "../jobs/run-limits.ts";
import type { Log } from "../log.ts";
import { afterEnding, type Conclude, cancel, nextRow, type Retry } from "../run/after-ending.ts";
import { type AttemptEnd, type Run, type RunKey, runId } from "../run/run.ts";
import { type Answer, already, refused } from "./answer.ts";
import { type Doing, fieldsOf } from "./by.ts";
import { type Change, changeOpenRun } from "./change-open-run.ts";
import type { ForcedOutcome } from "./forced-outcome.ts";

const FORCED: AttemptEnd = {
  reason: "JobFailed",
  kind: "interruption",
  permanent: false,
  detail: "its Job could not end, and was given up by hand",
};

/**
 * Gives up an attempt whose Job can't end, most likely on a dead node. The message is settled as the operator says, or
 * another attempt follows; the Job is retired. The operator has to know that the work is not going on: nothing here can
 * tell. Repeating it is harmless.
 */
export async function forceRun(
  deps: Dependencies,
  key: RunKey,
  as: ForcedOutcome,
  how: Doing,
  log: Log,
): Promise<Answer> {
  const deed = { ...how, what: "force", facts: { as } } as const;
  const answer = await changeOpenRun(deps, key, deed, ({ run }) => forced(deps, run, as));
  if (answer.kind === "done") log.warn("gave up a job by hand", { runId: runId(key), as, ...fieldsOf(how.by) });
  return answer;
}

async function forced(deps: Dependencies, run: Run, as: ForcedOutcome): Promise<Change> {
  if (run.status === "requeueing" && as === "retried") return already({ was: "given up" });
  if (run.verdict) {
    const { outcome } = run.verdict;
    const isWanted = as !== "retried" && (as === "completed") === (outcome === "succeeded");
    return isWanted ? already({ was: "verdict recorded", outcome }) : refused({ because: "verdict recorded", outcome });
  }
  const { jobName } = run;
  if (run.status !== "dispatched" || jobName === undefined) return refused({ because: "no job" });
  const job = await deps.cluster.get(jobName);
  if (job && finishedAt(job) !== undefined) return refused({ because: "job ended", jobName });
  const after = afterForce(run, as, deps);
  return { next: nextRow(run, after, deps.clock.now()), does: whatFollows(run, after, as) };
}

function afterForce(run: Run, as: ForcedOutcome, deps: Dependencies): Retry | Conclude {
  const { failures, interruptions } = run;
  const retry = retryOf(run, deps);
  switch (as) {
    case "completed":
      return { do: "conclude", verdict: { outcome: "succeeded" }, failures, interruptions };
    case "dead-lettered":
      return cancel(run, FORCED, retry);
    case "retried":
      return afterEnding(run, FORCED, retry, deps.clock.now());
    default:
      return as satisfies never;
  }
}

function whatFollows(run: Run, after: Retry | Conclude, as: ForcedOutcome) {
  if (after.do === "retry") return { did: "recorded the next attempt", attempt: run.attempt + 1 } as const;
  const { outcome } = after.verdict;
  return { did: "recorded a verdict", outcome, last: as === "retried" } as const;
}
