import pLimit from "p-limit";
import type { Dependencies } from "../dependencies.ts";
import { ConflictError, EntityMissingError } from "../errors.ts";
import type { makeCloseLostRuns } from "../holds/close-lost-runs.ts";
import type { SourcesInTick } from "../holds/source-holds.ts";
import type { Gates } from "../judge/gates.ts";
import { isJobAbsent } from "../observe/absence.ts";
import { type ClusterView, isCancelled, isJobUnrecorded, jobNameOf } from "../observe/cluster-view.ts";
import { decideNow, type KnownRun, knownFromView } from "../observe/known-run.ts";
import type { JobLook } from "../observe/look-at-job.ts";
import type { SourceRuns } from "../observe/open-runs.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { type LeaveCause, leftUnseen } from "../run/decide.ts";
import { type Run, runId } from "../run/run.ts";
import { sourceKey } from "../run/source.ts";
import type { Admission } from "../start/admission.ts";
import type { Breakers } from "../start/breakers.ts";
import type { HoldOnStart } from "../start/hold-on-start.ts";
import type { Limits } from "../start/limits.ts";
import { makeSlots, type Slots } from "../start/slots.ts";
import type { Events } from "../telemetry/events.ts";
import { advance, advanceLooked, askForMessage, onlyAdopt } from "./advance.ts";
import type { makeTakeHeld } from "./held.ts";
import type { Hints } from "./hints.ts";
import type { InHand } from "./in-hand.ts";
import type { Item } from "./item.ts";
import { leftToNextTick } from "./start.ts";
import { takeTurns } from "./turns.ts";

/** Runs advanced at once. */
const CONCURRENCY = 16;

/**
 * A tick starts nothing more this long after it has read everything, and leaves the rest to the next tick. If the time
 * counted from its start, slow reads would leave no time for any run, tick after tick.
 */
const BUDGET_MS = 45_000;

/** Leaves all runs of a source alone that the tick read. */
export function leaveAll({ atWork, due, heads }: SourceRuns, cause: LeaveCause, events: Events): void {
  for (const _ of [...atWork, ...due, ...heads]) events.tell({ event: "left", cause });
}

/** What a step of one run needs to know. */
export interface StepFacts {
  readonly view: ClusterView;
  /** What a wake found when it looked at the run's Job. It takes the place of the view. */
  readonly look?: JobLook;
  /** Whether the view has all Jobs. If not, a Job that it lacks was not looked at. */
  readonly isListed: boolean;
  readonly breakers: Breakers;
  readonly hints: Hints;
  readonly gates: Gates;
  readonly sources: Pick<SourcesInTick, "isHeld" | "looked" | "entityMissing">;
  /** Says why no Job of a module starts by now. */
  readonly holdOnStart: HoldOnStart;
  /** The runs that are left to ask for their messages, which no peek shows. */
  readonly unseen: Item[];
}

/** What one tick knows, apart from the runs. */
export interface Tick extends StepFacts {
  readonly admission: Admission;
  readonly limits: Pick<Limits, "isPaused">;
  readonly inHand: InHand;
  readonly takeHeld: ReturnType<typeof makeTakeHeld>;
  readonly closeLostRuns: ReturnType<typeof makeCloseLostRuns>;
  /** The runs of tripped modules that are tried, by the modules' names. */
  readonly probes: ReadonlyMap<string, StoredRun>;
  readonly postponed: ReadonlySet<string>;
  readonly sources: SourcesInTick;
  /** Whether no Job starts, and none that is absent is judged. */
  readonly wrongCluster: boolean;
}

/** One source's share of a tick. */
interface Share {
  readonly read: SourceRuns;
  readonly slots: Slots;
}

export function sharesOf(deps: Dependencies, all: readonly SourceRuns[], tick: Tick): Share[] {
  const probing = new Set([...tick.probes.values()].map(({ run }) => runId(run)));
  return all.map((read) => ({ read, slots: makeSlots(deps, { ...tick, probing }) }));
}

/**
 * Advances the runs of all sources that are at work, those that wait and have their turn, and those that are held and
 * may be judged. Resolves to the ids of those that there was no time for.
 */
export async function advanceAll(
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
      leaveAll({ ...share.read, atWork: [] }, "source-held", events);
      tasks.push(share.read.atWork.map((stored) => ({ stored, share })));
      continue;
    }
    // Their Jobs are counted before anything starts, because their rows don't tell of them yet.
    for (const { run } of share.read.atWork) if (isJobUnrecorded(run, deps.instance, view)) share.slots.occupy(run);
    const turns = await takeTurns(deps, share.read, tick);
    const atWork = tick.isListed
      ? share.read.atWork.filter((stored) => !isLeftAtWork(deps, stored, tick, events))
      : leaveUnseen(deps, share.read.atWork, tick, events);
    const runs = [...atWork, ...turns.next, ...(await tick.takeHeld(share.read, events))];
    tasks.push(postponedFirst(runs, postponed).map((stored) => ({ stored, share })));
    joining.push(...turns.joining.map((stored) => ({ stored, share })));
    for (const { run } of turns.first) events.tell({ event: "left", cause: share.slots.causeOf(run) });
  }
  // Whether a Job of such a run is at work, only the list tells.
  const lost = shares.flatMap(({ read }) => {
    const hold = tick.isListed ? sources.lossOf(read.source) : undefined;
    return hold ? [{ read, hold }] : [];
  });
  await tick.closeLostRuns(lost, view, events);
  const deadline = deps.clock.read().monotonicMs + BUDGET_MS;
  const left = new Set<string>();
  await pLimit(CONCURRENCY).map(inTurn(tasks), async ({ stored, share }) => {
    const { run } = stored;
    if (deps.clock.read().monotonicMs > deadline) {
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
  });
  // Waiting runs whose time has come move into their module's line.
  await Promise.all(
    joining.map(async ({ stored, share }) => {
      const { run } = stored;
      events.tell({ event: "left", cause: share.slots.causeOf(run) });
      await tryStep(run, tick, aboutRun(run, events), () => deps.table.update(stored, run));
    }),
  );
  return left;
}

/**
 * Leaves the runs whose Jobs a light tick has not seen: a watch tells of their ends, and the next tick that lists of all
 * else, such as that an accepted run has no Job. A run that a person wants cancelled is looked at.
 */
function leaveUnseen(
  { instance }: Pick<Dependencies, "instance">,
  atWork: readonly StoredRun[],
  { view }: Tick,
  events: Events,
): readonly StoredRun[] {
  return atWork.filter(({ run }) => {
    const isUnseen =
      (run.status === "dispatched" && (run.endOrdered || !isCancelled(run, instance, view))) ||
      (run.status === "accepted" && !isJobUnrecorded(run, instance, view));
    if (isUnseen) events.tell({ event: "left", cause: leftUnseen(run) });
    return !isUnseen;
  });
}

/**
 * Leaves a run that has a Job, and whose step is to leave it, as it is with nearly all of them. They take no turn among
 * the others, because ten thousand turns cost more than what is seen of the runs. False if there is more to do.
 */
function isLeftAtWork(deps: Dependencies, stored: StoredRun, tick: Tick, events: Events): boolean {
  if (stored.run.status !== "dispatched" || tick.breakers.mayProve(stored.run)) return false;
  const known = knownOf(deps, stored, tick);
  const decision = decideNow(deps, known);
  if (decision.do !== "leave" || tick.hints.isPreempted(known)) return false;
  events.tell({ event: "left", cause: decision.cause });
  return true;
}

/** Puts the postponed runs first. Otherwise the oldest could use up every tick, if they are slow to fail. */
function postponedFirst(runs: readonly StoredRun[], postponed: ReadonlySet<string>): readonly StoredRun[] {
  if (postponed.size === 0) return runs;
  const places = new Map([...postponed].map((id, place) => [id, place]));
  const placeOf = ({ run }: StoredRun) => places.get(runId(run)) ?? postponed.size;
  return runs.toSorted((a, b) => placeOf(a) - placeOf(b));
}

/** Takes one of each list, then the next of each, so that no source waits for the end of another's. */
function inTurn<T extends object>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map((list) => list.length));
  const all: T[] = [];
  for (let index = 0; index < longest; index += 1) {
    for (const list of lists) {
      const one = list[index];
      if (one) all.push(one);
    }
  }
  return all;
}

/**
 * Advances a waiting run that was found by a Job of it: its Job is adopted, or the run is cancelled. It is in no list of
 * this tick.
 */
export async function advanceFound(
  deps: Dependencies,
  stored: StoredRun,
  shares: readonly Share[],
  tick: Tick,
  events: Events,
): Promise<void> {
  const { source } = stored.run;
  const share = shares.find(({ read }) => sourceKey(read.source) === sourceKey(source));
  if (share) await advanceOne(deps, stored, share.slots, tick, events);
}

/** Advances a run, unless the watch has it in hand just now. */
async function advanceOne(
  deps: Dependencies,
  stored: StoredRun,
  slots: Slots,
  tick: Tick,
  events: Events,
): Promise<void> {
  const putDown = tick.inHand.take(jobNameOf(stored.run, deps.instance));
  if (!putDown) {
    events.tell({ event: "left", cause: "moved-on" });
    return;
  }
  try {
    await takeFurther(deps, stored, slots, tick, events);
  } finally {
    putDown();
  }
}

/** Takes a run as far as it goes by what is seen of its Job. Never rejects: what fails is told, and left to a tick. */
export async function takeFurther(
  deps: Dependencies,
  stored: StoredRun,
  slots: Slots,
  facts: StepFacts,
  events: Events,
): Promise<void> {
  const { look, isListed, breakers, gates, hints, sources, holdOnStart } = facts;
  const { run } = stored;
  const item: Item = { ...knownOf(deps, stored, facts), isListed, slots, breakers, gates, sources, holdOnStart };
  const { job } = item;
  const about = aboutRun(run, events);
  if (hints.isPreempted(item)) about.tell({ event: "preempted", run });
  const unseen = await tryStep(run, facts, about, async () => {
    if (sources.isHeld(run.source)) return onlyAdopt(deps, item, about);
    if (job.phase === "running" || job.phase === "succeeded") await breakers.noteStart(run, about);
    return look ? advanceLooked(deps, item, look, about) : advance(deps, item, about);
  });
  if (unseen) facts.unseen.push(unseen);
  else slots.release(run);
}

/** Says what the view shows of a run's Job. */
function knownOf(
  deps: Dependencies,
  stored: StoredRun,
  { view, breakers, hints, sources }: Pick<StepFacts, "view" | "breakers" | "hints" | "sources">,
): KnownRun {
  return knownFromView(deps, stored, view, {
    mayProve: breakers.mayProve(stored.run),
    isLookDue: (run) => !sources.isHeld(run.source) && hints.isLookDue(run, deps.clock.now()),
  });
}

function aboutRun(run: Run, events: Events): Events {
  return events.about({ runId: runId(run), messageId: run.messageId, module: run.module });
}

/** Takes a step of one run. If the step fails, the tick goes on with the others. */
async function tryStep<T>(
  run: Run,
  { sources }: Pick<StepFacts, "sources">,
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
