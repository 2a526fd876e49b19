import pLimit from "p-limit";
import type { EpochMs } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { ConflictError, EntityMissingError, errorText, UnavailableError } from "../errors.ts";
import { closeLostRuns } from "../holds/close-lost-runs.ts";
import type { ClusterGuard } from "../holds/cluster-guard.ts";
import type { SourceHolds, SourcesInTick } from "../holds/source-holds.ts";
import { makeHousekeeping } from "../housekeeping/housekeeping.ts";
import { endOfBodyUrl } from "../jobs/run-limits.ts";
import type { Gates } from "../judge/gates.ts";
import type { Fields, Log } from "../log.ts";
import { isJobAbsent } from "../observe/absence.ts";
import { type ClusterView, isCancelled, jobNameOf, phaseOf, viewCluster } from "../observe/cluster-view.ts";
import { readOpenRuns, type SourceRuns } from "../observe/open-runs.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { LeaveCause } from "../run/decide.ts";
import { type Run, runId } from "../run/run.ts";
import { sourceKey } from "../run/source.ts";
import type { Admission } from "../start/admission.ts";
import type { Breakers } from "../start/breakers.ts";
import { makeSlots, type Slots } from "../start/slots.ts";
import { countEvents } from "../telemetry/event-counts.ts";
import { type Events, makeEvents } from "../telemetry/events.ts";
import { advance, askForMessage } from "./advance.ts";
import { makeTakeHeld } from "./held.ts";
import { type Hints, makeHints } from "./hints.ts";
import type { Item } from "./item.ts";
import { leftToNextTick } from "./start.ts";
import { makeTakeProbes, takeTurns } from "./turns.ts";
import { makeFollowUnspoken } from "./unspoken-jobs.ts";

/** Runs advanced at once. */
const CONCURRENCY = 16;

/**
 * A tick starts nothing more this long after it has read everything, and leaves the rest to the next tick. If the time
 * counted from its start, slow reads would leave no time for any run, tick after tick.
 */
const BUDGET_MS = 45_000;

/**
 * Makes the tick: it reads the rows of what is at work and of what may start, then the Jobs, decides for each run, and
 * acts. Two ticks at once are harmless, because every write is conditional and only one settlement of a message
 * succeeds. One run's failure never stops the next. A tick resolves to whether this replica is to go on ticking: one
 * that sees another cluster is not.
 */
export function makeReconcile(
  deps: Dependencies,
  admission: Admission,
  breakers: Breakers,
  gates: Gates,
  holds: { readonly cluster: ClusterGuard; readonly sources: Pick<SourceHolds, "look"> },
) {
  const keepHouse = makeHousekeeping(deps);
  const followUnspoken = makeFollowUnspoken(deps);
  const takeProbes = makeTakeProbes(deps, breakers);
  const takeHeld = makeTakeHeld(deps, gates);
  // This is a hint, not state: the runs that the last tick had no time for come first in this one.
  let postponed: ReadonlySet<string> = new Set();
  const hints = makeHints();
  const monotonicMs = () => deps.clock.read().monotonicMs;

  return async function reconcile(log: Log): Promise<boolean> {
    const startedAt = monotonicMs();
    const counts = countEvents();
    const events = makeEvents(log, [counts.read]);
    let all: readonly SourceRuns[] = [];
    const line = (): Fields => ({
      ...openFields(all, deps.clock.now()),
      ...counts.fields(),
      ms: Math.round(monotonicMs() - startedAt),
    });
    try {
      await Promise.all([breakers.refresh(), gates.refresh()]);
      // guard: rows-before-jobs, rows
      all = await readOpenRuns(deps, (source) => admission.countAtWork(source));
      // guard: rows-before-jobs, jobs
      const view = await viewCluster(deps);
      warnOfUnknownStatuses(view, log);
      const atWork = all.flatMap((read) => read.atWork);
      const hold = await holds.cluster.look(atWork, view, events);
      if (hold === "another cluster") {
        for (const read of all) leaveAll(read, "wrong-cluster", events);
      } else {
        const isHeld = async () => (await holds.cluster.holdOnStarts(events)) !== undefined;
        const sources = await holds.sources.look(events);
        const probes = await takeProbes(all, events);
        const wrongCluster = hold !== undefined;
        const tick = {
          view,
          admission,
          breakers,
          gates,
          takeHeld,
          hints,
          probes,
          postponed,
          sources,
          wrongCluster,
          isHeld,
          unseen: [],
        };
        const shares = sharesOf(deps, all, tick);
        // guard: orphan-jobs
        await followUnspoken(all, view, (stored) => advanceFound(deps, stored, shares, tick, events), events);
        postponed = await advanceAll(deps, shares, tick, events);
        admission.lookAtLinesAgain();
        hints.endTick();
        await keepHouse(all, view, events, sources);
        await sources.conclude(events);
      }
      await deps.instanceTable.recordTick(deps.clock.now());
      log.info("reconciled", line());
      return hold !== "another cluster";
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      log.error("reconcile is held up", { why: errorText(error), ...line() });
      return true;
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

/** Says how many runs the tick read, whether others wait, and how old the oldest is that it read, in ms. */
function openFields(all: readonly SourceRuns[], now: EpochMs): Fields {
  const read = all.flatMap(({ atWork, due, heads, held }) => [...atWork, ...due, ...heads, ...held]);
  const oldest = read.reduce((earliest, { run }) => Math.min(earliest, run.enqueuedAt), now);
  return { open: read.length, othersWait: all.some(({ othersWait }) => othersWait), oldestAgeMs: now - oldest };
}

/** Leaves all runs of a source alone that the tick read. */
function leaveAll({ atWork, due, heads }: SourceRuns, cause: LeaveCause, events: Events): void {
  for (const _ of [...atWork, ...due, ...heads]) events.tell({ event: "left", cause });
}

/** What one tick knows, apart from the runs. */
interface Tick {
  readonly view: ClusterView;
  readonly admission: Admission;
  readonly breakers: Breakers;
  readonly hints: Hints;
  readonly gates: Gates;
  readonly takeHeld: ReturnType<typeof makeTakeHeld>;
  /** The runs of tripped modules that are tried, by the modules' names. */
  readonly probes: ReadonlyMap<string, StoredRun>;
  readonly postponed: ReadonlySet<string>;
  readonly sources: SourcesInTick;
  /** Whether no Job starts, and none that is absent is judged. */
  readonly wrongCluster: boolean;
  /** Whether no Job starts by now. */
  readonly isHeld: () => Promise<boolean>;
  /** The runs that are left to ask for their messages, which no peek shows. */
  readonly unseen: Item[];
}

/** One source's share of a tick. */
interface Share {
  readonly read: SourceRuns;
  readonly slots: Slots;
}

function sharesOf(deps: Dependencies, all: readonly SourceRuns[], tick: Tick): Share[] {
  const probing = new Set([...tick.probes.values()].map(({ run }) => runId(run)));
  return all.map((read) => ({ read, slots: makeSlots(deps, { ...tick, probing }) }));
}

/**
 * Advances the runs of all sources that are at work, those that wait and have their turn, and those that are held and
 * may be judged. Resolves to the ids of those that there was no time for.
 */
async function advanceAll(
  deps: Dependencies,
  shares: readonly Share[],
  tick: Tick,
  events: Events,
): Promise<ReadonlySet<string>> {
  const { view, postponed, sources, wrongCluster } = tick;
  const tasks: (readonly { stored: StoredRun; share: Share }[])[] = [];
  const joining: { stored: StoredRun; share: Share }[] = [];
  for (const share of shares) {
    if (sources.isHeld(share.read.source)) {
      leaveAll(share.read, "source-held", events);
      continue;
    }
    const turns = await takeTurns(deps, share.read, tick);
    const runs = [...share.read.atWork, ...turns.next, ...(await tick.takeHeld(share.read, events))];
    tasks.push(postponedFirst(runs, postponed).map((stored) => ({ stored, share })));
    joining.push(...turns.joining.map((stored) => ({ stored, share })));
    for (const { run } of turns.first) events.tell({ event: "left", cause: share.slots.causeOf(run) });
  }
  const deadline = deps.clock.read().monotonicMs + BUDGET_MS;
  const left = new Set<string>();
  for (const { read } of shares)
    if (sources.isLost(read.source))
      await closeLostRuns(deps, read, events, () => deps.clock.read().monotonicMs > deadline);
  await pLimit(CONCURRENCY).map(inTurn(tasks), async ({ stored, share }) => {
    const { run } = stored;
    if (sources.isHeld(run.source)) events.tell({ event: "left", cause: "source-held" });
    else if (deps.clock.read().monotonicMs > deadline) {
      left.add(runId(run));
      events.tell({ event: "postponed", run });
    } else if (wrongCluster && isJobAbsent(run, view)) events.tell({ event: "left", cause: "wrong-cluster" });
    else await advanceOne(deps, stored, share.slots, tick, events);
  });
  // Only now it is known how many messages of a source are missing, and whether to believe that they are gone.
  await sources.conclude(events);
  await pLimit(CONCURRENCY).map(tick.unseen, async (item) => {
    const { run } = item.stored;
    if (sources.isHeld(run.source)) events.tell({ event: "left", cause: "source-held" });
    else await tryStep(run, tick, aboutRun(run, events), (about) => askForMessage(deps, item, about));
    item.slots.release(run);
  });
  await Promise.all(joining.map(({ stored, share }) => joinLine(deps, stored, share.slots, events)));
  return left;
}

/** Moves a waiting run whose time has come into its module's line. */
async function joinLine(deps: Dependencies, stored: StoredRun, slots: Slots, events: Events): Promise<void> {
  events.tell({ event: "left", cause: slots.causeOf(stored.run) });
  const about = events.about({ runId: runId(stored.run), messageId: stored.run.messageId });
  try {
    await deps.table.update(stored, stored.run);
  } catch (error) {
    about.tell(
      error instanceof ConflictError ? { event: "left", cause: "moved-on" } : leftToNextTick(stored.run, error),
    );
  }
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

/**
 * Advances a waiting run that was found by a Job of it: its Job is adopted, or the run is cancelled. It is in no list of
 * this tick.
 */
async function advanceFound(
  deps: Dependencies,
  stored: StoredRun,
  shares: readonly Share[],
  tick: Tick,
  events: Events,
): Promise<void> {
  const { source } = stored.run;
  const share = shares.find(({ read }) => sourceKey(read.source) === sourceKey(source));
  if (tick.sources.isHeld(source)) events.tell({ event: "left", cause: "source-held" });
  else if (share) await advanceOne(deps, stored, share.slots, tick, events);
}

async function advanceOne(
  deps: Dependencies,
  stored: StoredRun,
  slots: Slots,
  tick: Tick,
  events: Events,
): Promise<void> {
  const { view, breakers, gates, hints, sources, isHeld } = tick;
  const { run } = stored;
  const now = deps.clock.now();
  const name = jobNameOf(run, deps.instance);
  const job = phaseOf(run, name, view, {
    module: deps.modules.get(run.module),
    now,
    mayProve: breakers.mayProve(run),
    urlEnds: endOfBodyUrl(run, deps, now),
    isLookDue: () => hints.isLookDue(run, now),
  });
  const cancelled = isCancelled(run, deps.instance, view);
  const item = { stored, jobName: name, job, cancelled, slots, breakers, gates, sources, isHeld };
  const about = aboutRun(run, events);
  if (hints.isPreempted(run, job)) about.tell({ event: "preempted", run });
  const unseen = await tryStep(run, tick, about, async () => {
    if (job.phase === "running" || job.phase === "succeeded") await breakers.noteStart(run, about);
    return advance(deps, item, about);
  });
  if (unseen) tick.unseen.push(unseen);
  else slots.release(run);
}

function aboutRun(run: Run, events: Events): Events {
  return events.about({ runId: runId(run), messageId: run.messageId, module: run.module });
}

/** Takes a step of one run. If the step fails, the tick goes on with the others. */
async function tryStep<T>(
  run: Run,
  { sources }: Pick<Tick, "sources">,
  about: Events,
  step: (about: Events) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await step(about);
  } catch (error) {
    if (error instanceof EntityMissingError) {
      sources.entityMissing(run.source);
      about.tell({ event: "left", cause: "source-held" });
    } else
      about.tell(error instanceof ConflictError ? { event: "left", cause: "moved-on" } : leftToNextTick(run, error));
    return undefined;
  }
}
