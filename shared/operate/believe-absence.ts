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
import { type Answer, already, done } from "./answer.ts";

/**
 * Counts the absent Jobs of a source as deleted, however many they are: each is an interruption of its run, and the
 * next attempt follows. It is for a namespace that was really emptied, or a cluster that was really replaced. Each
 * absence is confirmed by name, with the row unchanged. Repeating it is harmless.
 */
export async function believeAbsence(deps: Dependencies, source: Source, log: Log): Promise<Answer> {
  const { runs } = await deps.table.atWork(source);
  const view = await viewCluster(deps);
  const absent = runs.filter(({ run }) => isJobAbsent(run, view));
  let believed = 0;
  for (const stored of absent) if (await believe(deps, stored, log)) believed += 1;
  if (believed === 0) return already({ was: "nothing absent" });
  log.warn("took absent jobs for deleted by hand", { source: sourceName(source), count: believed });
  return done({ did: "believed absences", jobs: believed });
}

/** Says whether the absence was confirmed and recorded; false if the run moved on meanwhile. */
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
