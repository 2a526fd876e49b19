import pLimit from "p-limit";
import type { Dependencies } from "../dependencies.ts";
import { finishedAt, type JobIdentity, readJobIdentity } from "../jobs/job-identity.ts";
import { jobName } from "../jobs/job-name.ts";
import { isAttemptOver, mayEndUntil } from "../observe/attempt-over.ts";
import { type ClusterView, jobNameOf } from "../observe/cluster-view.ts";
import type { SourceRuns } from "../observe/open-runs.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { Run } from "../run/run.ts";
import { retireJob } from "../settle/retire-job.ts";
import type { Events } from "../telemetry/events.ts";

/** Jobs looked at at once. */
const CONCURRENCY = 16;

/** Of the Jobs that a tick left alone, later ticks look at so many each, because each costs a read of Job and row. */
const AGAIN = 50;

/** The time that a tick takes for it, because the runs of the tick need the rest. */
const BUDGET_MS = 20_000;

/**
 * Makes what follows the Jobs, and the labels that cancel a run, of which no run at work speaks. A tick does not read
 * the runs that wait, so that only the Job itself can tell which run it belongs to:
 *
 * - the run waits to start that very attempt: a process created the Job and died before it wrote so. It is adopted.
 * - the run waits, and a person labelled the Job of one of its attempts: the run is cancelled.
 * - the run was started since the rows were read, and the Job is over already: no watch tells of it, so it goes on.
 * - the run is closed, or past that attempt: a process made the Job that had slept through the rest. It is ended and
 *   retired.
 * - no row speaks of it: it is reported and left alone, once two ticks on end have seen it, because a run may have been
 *   accepted between the reading of rows and Jobs.
 */
export function makeFollowUnspoken(deps: Dependencies) {
  // These are hints for the next tick, not state: a replica that forgets them only looks once more.
  let before: ReadonlySet<string> = new Set();
  let done: ReadonlySet<string> = new Set();
  let lookedAt = "";

  /** Follows them all. `advance`: takes a waiting run on from here. */
  return async function followUnspoken(
    all: readonly SourceRuns[],
    { view, isListed }: { readonly view: ClusterView; readonly isListed: boolean },
    advance: (stored: StoredRun) => Promise<void>,
    events: Events,
  ): Promise<void> {
    const deadline = deps.clock.read().monotonicMs + BUDGET_MS;
    const unspoken = unspokenNames(all, view, deps.instance);
    const seenBefore = before;
    const toLookAt = [
      ...[...unspoken].filter((name) => !seenBefore.has(name)),
      ...inTurn([...unspoken].filter((name) => seenBefore.has(name) && !done.has(name)).toSorted()),
    ];
    // A light tick sees only the labels, so that it can't tell which of the others are gone.
    before = isListed ? unspoken : new Set([...seenBefore, ...unspoken]);
    if (isListed) done = new Set([...done].filter((name) => unspoken.has(name)));

    await pLimit(CONCURRENCY).map(toLookAt, async (name) => {
      if (deps.clock.read().monotonicMs > deadline) return;
      const about = events.about({ jobName: name });
      try {
        const outcome = await follow(name, view, advance, about);
        if (outcome === "done") done = new Set(done).add(name);
        if (outcome === "no row" && seenBefore.has(name))
          about.tell({ event: "orphan found", orphan: "job", leftAlone: true });
      } catch (error) {
        about.tell({ event: "failed", what: "left a job that no run speaks of to the next tick", error });
      }
    });
  };

  /** Goes on after the last one, because Jobs that stay would keep the others from ever being looked at. */
  function inTurn(names: readonly string[]): string[] {
    const later = names.filter((name) => name > lookedAt);
    const next = [...later, ...names.slice(0, names.length - later.length)].slice(0, AGAIN);
    lookedAt = next.at(-1) ?? lookedAt;
    return next;
  }

  /** Says `done` if the run is closed and nothing more is ever to be done about the name. */
  async function follow(
    name: string,
    view: ClusterView,
    advance: (stored: StoredRun) => Promise<void>,
    events: Events,
  ): Promise<"followed" | "done" | "no row"> {
    const job = await deps.cluster.get(name);
    if (!job) return "followed";
    const identity = readJobIdentity(job);
    const found = identity ? await deps.table.find(identity.key) : undefined;
    if (!identity || !found || found.kind === "none") return view.jobs.has(name) ? "no row" : "followed";
    if (found.kind === "newer") return "followed";
    if (found.kind === "open" && isToAdvance(found.stored.run, name, identity, view, deps.instance)) {
      // guard: follow-unspoken
      await advance(found.stored);
      return "followed";
    }
    // A retired Job is in the list of cancelled ones alone.
    if (!isAttemptOver(found, name, identity) || !view.jobs.has(name))
      return found.kind === "closed" ? "done" : "followed";
    if (finishedAt(job) === undefined && deps.clock.now() <= mayEndUntil(found)) return "followed";
    events.log.warn("retiring a job whose attempt is over");
    await retireJob(deps, identity.key, identity.attempt, { name, uid: job.metadata?.uid }, events.log, async () => {});
    return "followed";
  }
}

/** Lists the names of Jobs, and of cancelled Jobs, that none of the runs at work speaks of. */
function unspokenNames(all: readonly SourceRuns[], view: ClusterView, instance: string): Set<string> {
  const unspoken = new Set([...view.jobs.keys(), ...view.cancelled]);
  for (const { atWork } of all) {
    for (const { run } of atWork) {
      unspoken.delete(jobNameOf(run, instance));
      if (view.cancelled.size === 0) continue;
      // The label counts on a Job of each of its attempts.
      for (let attempt = 1; attempt <= run.attempt; attempt += 1)
        if (!view.jobs.has(nameOf(run, attempt, instance))) unspoken.delete(nameOf(run, attempt, instance));
    }
  }
  return unspoken;
}

/** Whether a run is to be taken on: this Job is its attempt's, or a person cancelled the run by it. */
function isToAdvance(run: Run, name: string, { attempt }: JobIdentity, view: ClusterView, instance: string): boolean {
  const isItsJob = attempt === run.attempt && name === jobNameOf(run, instance);
  if (run.status === "waiting") return view.cancelled.has(name) || isItsJob;
  const state = view.jobs.get(name)?.state;
  return run.status === "dispatched" && isItsJob && (state === "complete" || state === "failed");
}

function nameOf(run: Run, attempt: number, instance: string): string {
  return jobName({ module: run.module, instance, key: run, attempt });
}
