import type { Dependencies } from "../dependencies.ts";
import { retryOf } from "../jobs/run-limits.ts";
import type { Log } from "../log.ts";
import { afterEnding, cancelled, nextRow } from "../run/after-ending.ts";
import { lastBegun, orderEnd } from "../run/change-run.ts";
import { type Run, type RunKey, runId } from "../run/run.ts";
import { type Answer, already, refused } from "./answer.ts";
import { type By, type Doing, fieldsOf } from "./by.ts";
import { type Change, changeOpenRun } from "./change-open-run.ts";

/**
 * Cancels a run, whatever it waits for: the next ticks end its Job, if it has one, and dead-letter its message.
 * Repeating it is harmless.
 */
export async function cancelRun(deps: Dependencies, key: RunKey, how: Doing, log: Log): Promise<Answer> {
  const outcome = await changeOpenRun(deps, key, { ...how, what: "cancel" }, ({ run }) =>
    cancellation(deps, run, how.by),
  );
  if (outcome.kind === "refused" && outcome.because === "run closed" && outcome.status === "cancelled")
    return already({ was: "cancelled" });
  if (outcome.kind === "done") log.warn("cancelled a run by hand", { runId: runId(key), ...fieldsOf(how.by) });
  return outcome;
}

function cancellation(deps: Dependencies, run: Run, { why }: By): Change {
  if (run.verdict) {
    const { outcome } = run.verdict;
    return outcome === "cancelled"
      ? already({ was: "being cancelled" })
      : refused({ because: "verdict recorded", outcome });
  }
  // The dead letter says it too, so that it has the reason and no name.
  const end = cancelled(why === undefined ? "cancelled by hand" : `cancelled by hand: ${why}`);
  if (run.status === "dispatched") {
    if (run.endOrdered?.kind === "cancel") return already({ was: "being cancelled" });
    return { next: orderEnd(run, end, undefined), does: { did: "ordered the end" } };
  }
  const after = afterEnding({ ...run, attempt: lastBegun(run) }, end, retryOf(run, deps), deps.clock.now());
  return {
    next: nextRow(run, after, deps.clock.now()),
    does: { did: "recorded a verdict", outcome: "cancelled", last: false },
  };
}
