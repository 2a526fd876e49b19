import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import { isJobAbsent } from "../../observe/absence.ts";
import { decideNow, type KnownRun } from "../../observe/known-run.ts";
import { once } from "../../once.ts";
import type { Count, SlotsAtWork, StoredRun } from "../../ports/run-table.ts";
import type { Action } from "../../run/action.ts";
import { type Decision, type JobSeen, type LeaveCause, type MessageSeen, ruleOf, type Slot } from "../../run/decide.ts";
import type { Spread } from "../../run/durations.ts";
import { gateName } from "../../run/gate-state.ts";
import type { ModuleLimit } from "../../run/module-limit.ts";
import { tookLately } from "../../run/recent-ends.ts";
import type { ClosedRun, Run, RunKey } from "../../run/run.ts";
import { actionsOn } from "./actions.ts";
import { type PlaceOfRun, placeOf } from "./attempts.ts";
import { type Estimate, estimateOf } from "./estimate.ts";
import { gateOfRun, holdOfSource, holdOnCluster, type InstanceState, readInstance } from "./instance-state.ts";
import { type Redriven, redrivenField, redrivenOf } from "./redriven.ts";
import { mostAhead, seeRun, unseen } from "./see-run.ts";

/** Why a run is where it is, and what comes next. */
export type Explanation =
  | ({ readonly kind: "open" } & OpenRunExplained)
  /** How it came there: verdict, attempts and last error are in the row. */
  | ({ readonly kind: "closed" } & ClosedRunExplained);

interface ClosedRunExplained {
  readonly run: ClosedRun;
  /** As which run its dead letter was redriven last. Undefined if it was not. */
  readonly redriven?: Redriven;
  /** What persons did to it, the newest first. */
  readonly actions: readonly Action[];
}

/** An open run, as a tick would see it now. */
export interface OpenRunExplained {
  readonly run: Run;
  readonly place: PlaceOfRun;
  /** When it was looked at. */
  readonly at: EpochMs;
  /** What was seen to decide by. What no rule asked for is missing. */
  readonly facts: {
    readonly jobName: string;
    readonly job: JobSeen;
    readonly cancelled: boolean;
    readonly message?: MessageSeen;
    readonly slot?: Slot;
  };
  /** The rule of `decide` that judged them: see the table in docs/architecture.md. */
  readonly rule: string;
  /**
   * What `decide` says by these facts. If it is a look, the one who was to be asked is away: `unavailable` says so.
   */
  readonly decision: Decision;
  readonly unavailable?: string;
  /** What keeps ticks from doing what `decide` says. */
  readonly keptBack?: KeptBack;
  /**
   * If its Job is at work, how long those took whose runs of its module were done or failed in the last hour. Undefined if
   * there were none.
   */
  readonly usually?: Spread;
  /** What persons did to it, the newest first. */
  readonly actions: readonly Action[];
  /** Undefined if the next tick goes on with the run. */
  readonly waitsFor?: Wait;
}

/** Something for which ticks leave a run alone, whatever `decide` says of it. */
type KeptBack =
  | { readonly cause: "wrong-cluster"; readonly because: string }
  /** `since` is undefined if the hold is not in the table yet: the next tick finds the entity missing. */
  | { readonly cause: "source-held"; readonly because: string; readonly since?: EpochMs }
  | { readonly cause: "held"; readonly gate: string; readonly since: EpochMs; readonly problem: string };

/** What a run waits for. */
interface Wait {
  readonly cause: LeaveCause;
  /** Until when it surely waits. Undefined if that is not a matter of time. */
  readonly until?: EpochMs;
  /** How many runs of its module are in front of it: in the line, or among what is held. */
  readonly ahead?: Count;
  /** What a person said of the slots of its module, if it waits for one. */
  readonly limit?: ModuleLimit;
  /** How long its turn will take, if it waits for a slot. */
  readonly estimate?: Estimate;
}

/** A run that moves on while it is looked at is read again, but no more often than this. */
const MAX_READS = 3;

/**
 * Explains one run: it looks at what a tick would look at, asks `decide`, and changes nothing. Undefined if there is no
 * such run, and `newer` if a newer release wrote its row. Costs seven requests to the table for the instance's rows, up to
 * five for the run and one for its place in line, one for every 1,000 runs that are at work in its source if it is next;
 * two to five requests to the cluster, and one peek; and once in a process one request more, for the id of this instance.
 * Rejects with an UnavailableError if the table is away.
 */
export async function explain(deps: LookDependencies, key: RunKey): Promise<Explanation | "newer" | undefined> {
  const [instance, first] = await Promise.all([readInstance(deps), deps.table.find(key)]);
  for (let read = 1, found = first; ; read += 1, found = await deps.table.find(key)) {
    if (found.kind === "none") return undefined;
    if (found.kind === "newer") return "newer";
    if (found.kind === "closed") return { kind: "closed", ...(await explainClosed(deps, found.run)) };
    const explained = await explainOpen(deps, instance, found.stored, read === MAX_READS);
    if (explained) return { kind: "open", ...explained };
  }
}

async function explainClosed(deps: LookDependencies, run: ClosedRun): Promise<ClosedRunExplained> {
  const [redriven, actions] = await Promise.all([redrivenOf(deps, [run]), actionsOn(deps, run)]);
  return { run, actions, ...redrivenField(redriven, run) };
}

/** Undefined if the row changed meanwhile, unless it is the last try. */
async function explainOpen(
  deps: LookDependencies,
  instance: InstanceState,
  stored: StoredRun,
  isLastTry: boolean,
): Promise<OpenRunExplained | undefined> {
  const { run } = stored;
  const ahead = once(() => deps.table.ahead(run, mostAhead(deps, instance, run)));
  const atWork = once(() => deps.table.slotsAtWork(run.source));
  const [seen, actions] = await Promise.all([seeRun(deps, instance, stored, { ahead, atWork }), actionsOn(deps, run)]);
  if (seen === "moved on" && !isLastTry) return undefined;
  const { known, unavailable, isEntityMissing } =
    seen === "moved on" ? { known: unseen(deps, stored), unavailable: MOVED_ON } : seen;
  const decision = decideNow(deps, known);
  const { jobName, job, cancelled, message, slot } = known;
  const keptBack = keptBackBy(deps, instance, known) ?? (isEntityMissing ? ENTITY_MISSING : undefined);
  const waitsFor = await waitOf(deps, instance, { run, decision, keptBack, ahead, atWork });
  const usually =
    run.status === "dispatched" ? tookLately(instance.endsBySlot, run.module, deps.clock.now()).job : undefined;
  return {
    run,
    actions,
    place: placeOf(run, deps.clock.now()),
    at: deps.clock.now(),
    facts: {
      jobName,
      job,
      cancelled,
      ...(message === undefined ? {} : { message }),
      ...(slot === undefined ? {} : { slot }),
    },
    rule: ruleOf(run.status, job.phase),
    decision,
    ...(unavailable === undefined ? {} : { unavailable }),
    ...(usually === undefined ? {} : { usually }),
    ...(keptBack === undefined ? {} : { keptBack }),
    ...(waitsFor === undefined ? {} : { waitsFor }),
  };
}

const MOVED_ON = "the run moved on with each look: ask again";
const ENTITY_MISSING: KeptBack = { cause: "source-held", because: "entity missing" };

/** Says what keeps ticks from a run that is seen so: they leave it before they ask `decide`. */
function keptBackBy(
  deps: LookDependencies,
  instance: InstanceState,
  { stored: { run }, job }: KnownRun,
): KeptBack | undefined {
  const hold = holdOnCluster(instance);
  const isAbsent = isJobAbsent(run, { jobs: new Map() }) && job.phase === "absent";
  if (hold === "another cluster" || (hold !== null && isAbsent)) return { cause: "wrong-cluster", because: hold };
  const held = holdOfSource(instance, run.source)?.hold;
  if (held) return { cause: "source-held", because: held.because, since: held.since };
  const gate = run.status === "held" ? gateOfRun(deps, instance, run) : undefined;
  return gate && { cause: "held", gate: gateName(gate.scope), since: gate.since, problem: gate.problem };
}

interface Standing {
  readonly run: Run;
  readonly decision: Decision;
  readonly keptBack: KeptBack | undefined;
  /** Counts the runs in front of it. */
  readonly ahead: () => Promise<Count>;
  /** Reads the runs of its source that are at work. */
  readonly atWork: () => Promise<SlotsAtWork>;
}

async function waitOf(
  deps: LookDependencies,
  instance: InstanceState,
  { run, decision, keptBack, ahead: countAhead, atWork }: Standing,
): Promise<Wait | undefined> {
  // A held source does not keep a Job from being adopted.
  if (keptBack && !(keptBack.cause === "source-held" && decision.do === "adopt"))
    return {
      cause: keptBack.cause,
      ...(keptBack.cause === "held" ? { ahead: await countAhead() } : {}),
    };
  if (decision.do !== "leave") return undefined;
  const { cause } = decision;
  const until = decision.until ?? (cause === "module-tripped" ? instance.trips.get(run.module)?.probeAt : undefined);
  const ahead = run.status === "waiting" ? await countAhead() : undefined;
  const limit = cause === "paused" || cause === "max-active" ? instance.limits.get(run.module) : undefined;
  const estimate =
    cause === "max-active" && ahead ? await estimateOf(deps, instance, run, { ahead, atWork }) : undefined;
  return {
    cause,
    ...(until === undefined ? {} : { until }),
    ...(ahead === undefined ? {} : { ahead }),
    ...(limit === undefined ? {} : { limit }),
    ...(estimate === undefined ? {} : { estimate }),
  };
}
