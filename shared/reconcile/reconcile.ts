import pLimit from "p-limit";
import type { EpochMs } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { ConflictError, errorText, UnavailableError } from "../errors.ts";
import { makeHousekeeping } from "../housekeeping/housekeeping.ts";
import type { Fields, Log } from "../log.ts";
import { isJobAbsent, isMassAbsence } from "../observe/absence.ts";
import { type ClusterView, isCancelled, isOverdue, jobNameOf, phaseOf, viewCluster } from "../observe/cluster-view.ts";
import { readOpenRuns, type SourceRuns } from "../observe/open-runs.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { runId } from "../run/run.ts";
import { sourceName } from "../run/source.ts";
import type { Admission } from "../start/admission.ts";
import type { Breakers } from "../start/breakers.ts";
import { makeSlots, type Slots } from "../start/slots.ts";
import { countEvents } from "../telemetry/event-counts.ts";
import { type Events, makeEvents } from "../telemetry/events.ts";
import { advance } from "./advance.ts";
import { leftToNextTick } from "./start.ts";

/** Runs advanced at once. */
const CONCURRENCY = 16;

/**
 * A tick starts nothing more this long after it has read everything, and leaves the rest to the next tick. If the time
 * counted from its start, slow reads would leave no time for any run, tick after tick.
 */
const BUDGET_MS = 45_000;

/**
 * Makes the tick: it reads the open rows, then the Jobs, decides for each run, and acts. Two ticks at once are
 * harmless, because every write is conditional and only one settlement of a message succeeds. One run's failure never
 * stops the next.
 */
export function makeReconcile(deps: Dependencies, admission: Admission, breakers: Breakers) {
  const keepHouse = makeHousekeeping(deps);
  // This is a hint, not state: the runs that the last tick had no time for come first in this one.
  let postponed: ReadonlySet<string> = new Set();

  return async function reconcile(log: Log): Promise<void> {
    const startedAt = deps.clock.now();
    const counts = countEvents();
    const events = makeEvents(log, [counts.read]);
    let all: readonly SourceRuns[] = [];
    const line = (): Fields => ({
      ...openFields(all, deps.clock.now()),
      ...counts.fields(),
      ms: deps.clock.now() - startedAt,
    });
    try {
      await breakers.refresh();
      // guard: rows-before-jobs, rows
      all = await readOpenRuns(deps, (source) => admission.countOpenRuns(source));
      // guard: rows-before-jobs, jobs
      const view = await viewCluster(deps);
      warnOfUnknownStatuses(view, log);
      for (const { source, runs } of all) admission.bar(source, isMassAbsence(runs, view));
      const deadline = deps.clock.now() + BUDGET_MS;
      const probing = await takeProbes(deps, all, breakers, events);
      const tick = { view, admission, breakers, probing, postponed, deadline };
      postponed = await advanceAll(deps, all, tick, events);
      await keepHouse(all, view, events);
      await deps.instanceTable.recordTick(deps.clock.now());
      log.info("reconciled", line());
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      log.error("reconcile is held up", { why: errorText(error), ...line() });
    }
  };
}

/** Warns once a tick if the cluster is newer than this version and prints a status of Jobs that it doesn't know. */
function warnOfUnknownStatuses({ jobs }: ClusterView, log: Log): void {
  const unknown = [...jobs.values()].flatMap(({ unknownStatus }) => unknownStatus ?? []);
  if (unknown.length === 0) return;
  log.warn("the cluster lists jobs with an unknown status; each of them is looked at by itself", {
    jobs: unknown.length,
    statuses: [...new Set(unknown)].map((status) => JSON.stringify(status)).join(", "),
  });
}

/** Says how many runs are open, and how old the oldest is in ms, as the tick read them. */
function openFields(all: readonly SourceRuns[], now: EpochMs): Fields {
  const runs = all.flatMap((source) => source.runs);
  const oldest = runs.reduce((earliest, { run }) => Math.min(earliest, run.enqueuedAt), now);
  return { open: runs.length, oldestAgeMs: now - oldest };
}

interface Tick {
  readonly view: ClusterView;
  readonly admission: Admission;
  readonly breakers: Breakers;
  /** The runs of tripped modules that may start all the same, by their ids. */
  readonly probing: ReadonlySet<string>;
  readonly postponed: ReadonlySet<string>;
  readonly deadline: EpochMs;
}

/**
 * Chooses the runs of tripped modules that are tried in this tick: one of each module whose time has come, unless a Job
 * that was made since it tripped may still start. The run with the fewest attempts is next, and of these the one that
 * has been due for longest: a run that could not be tried was put off, so that another one has its turn. So no message
 * that fails by itself keeps its module tripped.
 */
async function takeProbes(
  deps: Dependencies,
  all: readonly SourceRuns[],
  breakers: Breakers,
  events: Events,
): Promise<ReadonlySet<string>> {
  const now = deps.clock.now();
  const probing = new Set<string>();
  for (const module of deps.modules.values()) {
    const trip = breakers.tripOf(module);
    if (!trip || now < trip.probeAt) continue;
    const runs = all.flatMap((read) => read.runs.map(({ run }) => run)).filter((run) => run.module === module.name);
    if (runs.some((run) => run.status === "dispatched" && (run.dispatchedAt ?? 0) >= trip.trippedAt)) continue;
    const waiting = runs.filter(({ status, notBefore }) => status === "waiting" && notBefore <= now);
    const [next] = waiting.toSorted((a, b) => a.attempt - b.attempt || a.notBefore - b.notBefore);
    if (next && (await breakers.takeProbe(module, events))) probing.add(runId(next));
  }
  return probing;
}

/** Advances the runs of all sources. Resolves to the ids of those that there was no time for. */
async function advanceAll(
  deps: Dependencies,
  all: readonly SourceRuns[],
  tick: Tick,
  events: Events,
): Promise<ReadonlySet<string>> {
  const { view, postponed, deadline } = tick;
  const tasks = all.map(({ source, runs }) => {
    const wrongCluster = isMassAbsence(runs, view);
    if (wrongCluster)
      events.log.error("too many jobs are missing at once to believe it: is this the right cluster and namespace?", {
        source: sourceName(source),
        namespace: deps.namespace,
      });
    const slots = makeSlots(deps, { ...tick, wrongCluster });
    return postponedFirst(runs, postponed).map((stored) => ({ stored, slots, wrongCluster }));
  });
  const left = new Set<string>();
  await pLimit(CONCURRENCY).map(inTurn(tasks), async ({ stored, slots, wrongCluster }) => {
    const { run } = stored;
    if (deps.clock.now() > deadline) {
      left.add(runId(run));
      events.tell({ event: "postponed", run });
    } else if (wrongCluster && isJobAbsent(run, view)) events.tell({ event: "left", cause: "wrong-cluster" });
    else await advanceOne(deps, stored, slots, tick, events);
  });
  return left;
}

/** Puts the postponed runs first. Otherwise the oldest could use up every tick, if they are slow to fail. */
function postponedFirst(runs: readonly StoredRun[], postponed: ReadonlySet<string>): readonly StoredRun[] {
  if (postponed.size === 0) return runs;
  const places = new Map([...postponed].map((id, place) => [id, place]));
  const placeOf = ({ run }: StoredRun) => places.get(runId(run)) ?? postponed.size;
  return runs.toSorted((a, b) => placeOf(a) - placeOf(b));
}

/** Takes one of each list, then the next of each, so that no source waits for the end of another's. */
function inTurn<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, index) => lists.flatMap((list) => list.slice(index, index + 1))).flat();
}

async function advanceOne(
  deps: Dependencies,
  stored: StoredRun,
  slots: Slots,
  { view, breakers }: Tick,
  events: Events,
): Promise<void> {
  const { run } = stored;
  const now = deps.clock.now();
  const name = jobNameOf(run, deps.instance);
  const job = phaseOf(run, name, view, {
    module: deps.modules.get(run.module),
    now,
    mayProve: breakers.mayProve(run),
  });
  const cancelled = isCancelled(run, deps.instance, view);
  const item = { stored, jobName: name, job, cancelled, slots, breakers };
  const about = events.about({ runId: runId(run), messageId: run.messageId, module: run.module });
  if (isOverdue(run, job, now)) about.tell({ event: "overdue", run });
  try {
    if (job.phase === "running" || job.phase === "succeeded") await breakers.noteStart(run, about);
    await advance(deps, item, about);
  } catch (error) {
    about.tell(error instanceof ConflictError ? { event: "left", cause: "moved-on" } : leftToNextTick(run, error));
  } finally {
    slots.release(run);
  }
}
