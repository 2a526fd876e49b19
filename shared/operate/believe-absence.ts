import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import { retryOf } from "../jobs/run-limits.ts";
import type { Log } from "../log.ts";
import { isJobAbsent } from "../observe/absence.ts";
import { viewCluster } from "../observe/cluster-view.ts";
import { lookAtJob } from "../observe/look-at-job.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { nextRow } from "../run/after-ending.ts";
import { decide } from "../run/decide.ts";
import { type Run, runId } from "../run/run.ts";
import { type Source, sourceName } from "../run/source.ts";
import { already, done, type RepairOutcome } from "./outcome.ts";

/**
 * Takes the Jobs of a source that are absent for deleted, however many: an interruption of each run, and its next attempt. For a namespace that
 * was really emptied, or a cluster that was really replaced. Each absence is confirmed by name, with the row unchanged. Repeating it is harmless.
 */
export async function believeAbsence(deps: Dependencies, source: Source, log: Log): Promise<RepairOutcome> {
  const runs = await deps.table.openRuns(source);
  const view = await viewCluster(deps);
  const absent = runs.filter(({ run }) => isJobAbsent(run, view));
  let believed = 0;
  for (const stored of absent) if (await believe(deps, stored, log)) believed += 1;
  if (believed === 0) return already("no Job of its runs is absent");
  log.warn("took absent jobs for deleted by hand", { source: sourceName(source), count: believed });
  return done(`${believed} Jobs are taken for deleted: the next attempts of their runs follow`);
}

/** Whether the absence was confirmed and recorded; not where the run moved on meanwhile. */
async function believe(deps: Dependencies, stored: StoredRun, log: Log): Promise<boolean> {
  const next = await afterAbsence(deps, stored);
  if (!next) return false;
  try {
    await deps.table.update(stored, next);
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
  log.warn("took an absent job for deleted by hand", { runId: runId(next), jobName: stored.run.jobName });
  return true;
}

async function afterAbsence(deps: Dependencies, stored: StoredRun): Promise<Run | undefined> {
  const { run } = stored;
  const job = await lookAtJob(deps, stored, run.jobName ?? "");
  if (job?.phase !== "absent") return undefined;
  const now = deps.clock.now();
  const { lockDurationMs } = deps;
  const decision = decide({ run, job, cancelled: false, retry: retryOf(run, deps), lockDurationMs, now });
  return decision.do === "retry" || decision.do === "conclude" ? nextRow(run, decision, now) : undefined;
}
