import pLimit from "p-limit";
import type { Reading } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import type { Admission } from "../dispatch/admission.ts";
import { ConflictError, errorText, UnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type Run, runId } from "../run/run.ts";
import { type Source, sourceKey, sourceName } from "../run/source.ts";
import { advance } from "./advance.ts";
import { retireOrphanJobs } from "./orphan-jobs.ts";
import {
  type ClusterView,
  isMassAbsence,
  jobNameOf,
  makeRooms,
  phaseOf,
  type Rooms,
  type SourceRuns,
  viewCluster,
} from "./snapshot.ts";
import { sweep } from "./sweep.ts";
import { countLeft, countOpen, makeTally, type Tally, tallyFields } from "./tally.ts";

/** Runs advanced at once. */
const CONCURRENCY = 16;

/** After this a tick starts nothing more and leaves the rest to the next one. */
const BUDGET_MS = 45_000;

const PURGE_EVERY_MS = 3_600_000;
const PURGE_LIMIT = 1_000;

/**
 * One tick: reads the open rows, then the Jobs, decides for each run, and acts. Two ticks at once are harmless: every write is
 * conditional, and one settlement of a message wins. One run's failure never stops the next.
 */
export function makeReconcile(deps: Dependencies, admission: Admission) {
  // Hints for the next tick, not state: a process that forgets them only looks a tick later.
  let unmatched: ReadonlySet<string> = new Set();
  let lastPurge: Reading | undefined;

  return async function reconcile(log: Log): Promise<void> {
    const startedAt = deps.clock.now();
    const tally = makeTally();
    try {
      const all = await readRuns(deps, admission, tally);
      const view = await viewCluster(deps);
      await advanceAll(deps, all, view, tally, log, startedAt + BUDGET_MS);
      unmatched = await retireOrphanJobs(deps, all, view, unmatched, tally, log);
      for (const { source, runs } of all) await sweepOne(deps, source, runs, view, tally, log);
      await purge();
      await deps.table.recordTick(deps.clock.now());
      log.info("reconciled", tallyFields(tally, deps.clock.now(), startedAt));
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      log.error("reconcile is held up", { why: errorText(error), ...tallyFields(tally, deps.clock.now(), startedAt) });
    }
  };

  async function purge(): Promise<void> {
    const now = deps.clock.read();
    if (lastPurge && now.monotonicMs - lastPurge.monotonicMs < PURGE_EVERY_MS) return;
    for (const source of await deps.table.sources())
      await deps.table.purge(source, now.wallMs - deps.historyRetentionMs, PURGE_LIMIT);
    lastPurge = now;
  }
}

/** The open runs of every source that the table knows: a removed module's runs are followed too. */
async function readRuns(deps: Dependencies, admission: Admission, tally: Tally): Promise<SourceRuns[]> {
  const sources = new Map<string, Source>();
  for (const source of await deps.table.sources()) sources.set(sourceKey(source), source);
  // A source that never had a run has nothing to reconcile, but a table that was restored empty has messages to report.
  for (const { source } of deps.modules.values()) sources.set(sourceKey(source), source);
  const all: SourceRuns[] = [];
  for (const source of sources.values()) {
    const runs = await deps.table.openRuns(source);
    admission.recount(
      source,
      runs.map(({ run }) => run),
    );
    for (const { run } of runs) countOpen(tally, run);
    all.push({ source, runs });
  }
  return all;
}

async function advanceAll(
  deps: Dependencies,
  all: readonly SourceRuns[],
  view: ClusterView,
  tally: Tally,
  log: Log,
  deadline: number,
): Promise<void> {
  const limit = pLimit(CONCURRENCY);
  await Promise.all(
    all.map(({ source, runs }) => {
      const wrongCluster = isMassAbsence(runs, view);
      if (wrongCluster)
        log.error("too many jobs are missing at once to believe it: is this the right cluster and namespace?", {
          source: sourceName(source),
          namespace: deps.namespace,
        });
      const rooms = makeRooms(runs, deps, wrongCluster);
      return limit.map(runs, async (stored) => {
        if (deps.clock.now() > deadline) tally.postponed += 1;
        else if (wrongCluster && isAbsent(stored.run, view)) countLeft(tally, "wrong-cluster");
        else await advanceOne(deps, stored, rooms, view, tally, log);
      });
    }),
  );
}

/** An entity that is away must not keep the others from being swept. */
async function sweepOne(
  deps: Dependencies,
  source: Source,
  runs: SourceRuns["runs"],
  view: ClusterView,
  tally: Tally,
  log: Log,
) {
  try {
    await sweep(deps, source, runs, view, tally, log);
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    tally.failed += 1;
    log.warn("left a source unswept", { source: sourceName(source), why: errorText(error) });
  }
}

function isAbsent(run: Run, view: ClusterView): boolean {
  return run.status === "dispatched" && !view.jobs.has(run.jobName ?? "");
}

async function advanceOne(
  deps: Dependencies,
  stored: SourceRuns["runs"][number],
  rooms: Rooms,
  view: ClusterView,
  tally: Tally,
  log: Log,
): Promise<void> {
  const { run } = stored;
  const now = deps.clock.now();
  const name = jobNameOf(run, deps.instance);
  const job = phaseOf(run, name, view, deps.modules.get(run.module), now);
  const item = { stored, jobName: name, job, cancelled: view.cancelled.has(name), rooms, message: "unseen" } as const;
  if (run.deadlineAt !== undefined && now > run.deadlineAt && job.phase !== "absent") tally.overdue += 1;
  const runLog = log.child({ runId: runId(run), messageId: run.messageId, module: run.module });
  try {
    await advance(deps, item, tally, runLog);
  } catch (error) {
    if (error instanceof ConflictError) return countLeft(tally, "moved on");
    tally.failed += 1;
    if (error instanceof UnavailableError) {
      // What was away for one run is away for the next starts too: don't ask it once per run.
      rooms.shut(run.module, "cluster");
      return runLog.warn("left a run to the next tick", { status: run.status, why: errorText(error) });
    }
    runLog.error("left a run to the next tick", {
      status: run.status,
      why: errorText(error),
      ...(error instanceof Error && error.stack ? { stack: error.stack } : {}),
    });
  }
}
