import type { Dependencies } from "../dependencies.ts";
import { retryOf } from "../jobs/run-limits.ts";
import type { Log } from "../log.ts";
import { afterEnding, cancelled, nextRow } from "../run/after-ending.ts";
import { lastBegun, orderEnd } from "../run/change-run.ts";
import { type Run, type RunKey, runId } from "../run/run.ts";
import { type Change, changeOpenRun } from "./change-open-run.ts";
import { already, type RepairOutcome, refused } from "./outcome.ts";

const CANCELLED = cancelled("cancelled by hand");

/** Cancels a run whatever it waits for: its Job, where it has one, is ended, and its message dead-lettered. Repeating it is harmless. */
export async function cancelRun(deps: Dependencies, key: RunKey, log: Log): Promise<RepairOutcome> {
  const outcome = await changeOpenRun(deps, key, ({ run }) => cancellation(deps, run));
  if (outcome.kind === "done") log.warn("cancelled a run by hand", { runId: runId(key) });
  return outcome;
}

function cancellation(deps: Dependencies, run: Run): Change {
  if (run.verdict)
    return run.verdict.outcome === "cancelled"
      ? already("it is being cancelled")
      : refused(`its verdict is recorded already (${run.verdict.outcome}): the next ticks settle its message`);
  if (run.status === "dispatched") {
    if (run.endOrdered?.kind === "cancel") return already("it is being cancelled");
    return {
      next: orderEnd(run, CANCELLED, undefined),
      why: "the next ticks end its Job and dead-letter its message",
    };
  }
  const now = deps.clock.now();
  const after = afterEnding({ ...run, attempt: lastBegun(run) }, CANCELLED, retryOf(run, deps), now);
  return { next: nextRow(run, after, now), why: "the next tick dead-letters its message" };
}
