import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import { retryOf } from "../jobs/run-limits.ts";
import type { Log } from "../log.ts";
import { lookAtJob } from "../observe/look-at-job.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { Action } from "../run/action.ts";
import { nextRow } from "../run/after-ending.ts";
import { decide } from "../run/decide.ts";
import { type Run, runId } from "../run/run.ts";
import { fieldsOf } from "./by.ts";

/**
 * Takes the absent Job of a run for deleted, as a tick does that lists the Jobs: it is an interruption, and the next
 * attempt follows. Resolves to whether a look confirmed the absence, and that was recorded with the person's action;
 * false if the run moved on meanwhile. Without an action it records nothing.
 */
export async function believeAbsence(
  deps: Dependencies,
  stored: StoredRun,
  action: Action | undefined,
  log: Log,
): Promise<boolean> {
  const next = await afterAbsence(deps, stored);
  if (!next) return false;
  if (!action) return true;
  try {
    await deps.table.update(stored, next, action);
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
  const { jobName = "" } = stored.run;
  log.warn("took an absent job for deleted by hand", { runId: runId(next), jobName, ...fieldsOf(action) });
  return true;
}

async function afterAbsence(deps: Dependencies, stored: StoredRun): Promise<Run | undefined> {
  const { run } = stored;
  const { job } = (await lookAtJob(deps, stored, run.jobName ?? "")) ?? {};
  if (job?.phase !== "absent") return undefined;
  const now = deps.clock.now();
  const { lockDurationMs } = deps;
  const decision = decide({ run, job, cancelled: false, retry: retryOf(run, deps), lockDurationMs, now });
  return decision.do === "retry" || decision.do === "conclude" ? nextRow(run, decision, now) : undefined;
}
