import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import { EntityMissingError, errorText, UnavailableError } from "../../errors.ts";
import { isRetired } from "../../jobs/job-identity.ts";
import type { Module } from "../../modules/module.ts";
import { startableModule } from "../../modules/route.ts";
import { isJobAbsent } from "../../observe/absence.ts";
import { type ClusterView, jobNameOf } from "../../observe/cluster-view.ts";
import { decideNow, type KnownRun, knownFromView } from "../../observe/known-run.ts";
import { lookAtJob } from "../../observe/look-at-job.ts";
import { lookAtMessage } from "../../observe/look-at-message.ts";
import type { Count, StoredRun } from "../../ports/run-table.ts";
import { type Decision, type JobSeen, type LeaveCause, type MessageSeen, ruleOf, type Slot } from "../../run/decide.ts";
import { gateName } from "../../run/gate-state.ts";
import type { ClosedRun, Run, RunKey } from "../../run/run.ts";
import { makeAdmission } from "../../start/admission.ts";
import { endAsItCounts } from "../../start/breakers.ts";
import type { Limits } from "../../start/limits.ts";
import { isBackedUp } from "../../start/slot-demand.ts";
import { makeSlots } from "../../start/slots.ts";
import { type PlaceOfRun, placeOf } from "./attempts.ts";
import { gateOfRun, holdOfSource, type InstanceState, readInstance } from "./instance-state.ts";
import { MOST_COUNTED } from "./status.ts";

/** Why a run is where it is, and what comes next. */
export type Explanation =
  | ({ readonly kind: "open" } & OpenRunExplained)
  /** How it came there: verdict, attempts and last error are in the row. */
  | { readonly kind: "closed"; readonly run: ClosedRun };

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
  /** How long its turn will take. Undefined if nothing tells. */
  readonly estimate?: Estimate;
}

/** How long it takes to come to a run in line, if its module goes on as it did lately. */
interface Estimate {
  readonly ms: number;
  /** So many runs of the module that had worked were closed since then: those ahead leave the line as fast. */
  readonly closed: number;
  readonly since: EpochMs;
}

/** A run that moves on while it is looked at is read again, but no more often than this. */
const MAX_READS = 3;
/** More looks than any decision takes: the Job, the message and the slot. */
const MAX_LOOKS = 4;

/**
 * Explains one run: it looks at what a tick would look at, asks `decide`, and changes nothing. Undefined if there is no
 * such run, and `newer` if a newer release wrote its row. Costs six requests to the table for the instance's rows, up to
 * three for the run and two for its place in line, one for every 1,000 runs that are at work in its source if it is next;
 * two to five requests to the cluster, and one peek. Rejects with an UnavailableError if the table is away.
 */
export async function explain(deps: LookDependencies, key: RunKey): Promise<Explanation | "newer" | undefined> {
  const instance = await readInstance(deps);
  for (let read = 1; ; read += 1) {
    const found = await deps.table.find(key);
    if (found.kind === "none") return undefined;
    if (found.kind === "newer") return "newer";
    if (found.kind === "closed") return { kind: "closed", run: found.run };
    const explained = await explainOpen(deps, instance, found.stored, read === MAX_READS);
    if (explained) return { kind: "open", ...explained };
  }
}

/** Undefined if the row changed meanwhile, unless it is the last try. */
async function explainOpen(
  deps: LookDependencies,
  instance: InstanceState,
  stored: StoredRun,
  isLastTry: boolean,
): Promise<OpenRunExplained | undefined> {
  const seen = await see(deps, instance, stored);
  if (seen === "moved on" && !isLastTry) return undefined;
  const { known, ...trouble } = seen === "moved on" ? { known: unseen(deps, stored), unavailable: MOVED_ON } : seen;
  const { run } = stored;
  const decision = decideNow(deps, known);
  const { jobName, job, cancelled, message, slot } = known;
  const keptBack = keptBackBy(deps, instance, known) ?? trouble.keptBack;
  const waitsFor = await waitOf(deps, instance, { run, decision, keptBack });
  return {
    run,
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
    ...(trouble.unavailable === undefined ? {} : { unavailable: trouble.unavailable }),
    ...(keptBack === undefined ? {} : { keptBack }),
    ...(waitsFor === undefined ? {} : { waitsFor }),
  };
}

const MOVED_ON = "the run moved on with each look: ask again";

interface SeenRun {
  readonly known: KnownRun;
  readonly unavailable?: string;
  readonly keptBack?: KeptBack;
}

/** Looks until `decide` asks for no more, or until somebody who is asked is away. */
async function see(deps: LookDependencies, instance: InstanceState, stored: StoredRun): Promise<SeenRun | "moved on"> {
  let known = unseen(deps, stored);
  try {
    known = await lookFirst(deps, instance, stored);
    for (let look = 1; look <= MAX_LOOKS; look += 1) {
      const decision = decideNow(deps, known);
      if (decision.do !== "look") break;
      const more = await lookCloser(deps, instance, known, decision.at);
      if (more === undefined) return "moved on";
      known = more;
    }
    return { known };
  } catch (error) {
    if (error instanceof EntityMissingError)
      return { known, keptBack: { cause: "source-held", because: "entity missing" } };
    if (error instanceof UnavailableError) return { known, unavailable: errorText(error) };
    throw error;
  }
}

/** What is known before any look. */
function unseen(deps: LookDependencies, stored: StoredRun): KnownRun {
  const jobName = jobNameOf(stored.run, deps.instance);
  return { stored, jobName, job: { phase: "absent", confirmed: false }, cancelled: false };
}

/** Sees a run's Job as the light lists show it. If it is active there, only the Job itself says what of it there is. */
async function lookFirst(deps: LookDependencies, instance: InstanceState, stored: StoredRun): Promise<KnownRun> {
  const name = jobNameOf(stored.run, deps.instance);
  const [glance, cancelled] = await Promise.all([deps.cluster.glance(name), deps.cluster.listCancelled()]);
  // A list shows no retired Job either.
  const listing = glance && !isRetired(glance) ? glance.listing : undefined;
  const view: ClusterView = {
    jobs: new Map(listing ? [[name, listing]] : []),
    pods: new Map(),
    cancelled: new Set(cancelled),
  };
  const known = knownFromView(deps, stored, view, { mayProve: false, isLookDue: () => true });
  const isUnclear = mayHaveOwnJob(stored.run) && (listing?.state === "active" || listing?.state === "suspended");
  return (isUnclear ? await lookCloser(deps, instance, known, "job") : undefined) ?? known;
}

/** Whether the Job of the run's own attempt matters. In all other statuses no rule asks for the Job. */
function mayHaveOwnJob({ status }: Run): boolean {
  return status === "accepted" || status === "waiting" || status === "dispatched";
}

/** Finds out one fact more; undefined if the row changed meanwhile. */
async function lookCloser(
  deps: LookDependencies,
  instance: InstanceState,
  known: KnownRun,
  at: "job" | "message" | "slot",
): Promise<KnownRun | undefined> {
  const { stored, jobName } = known;
  switch (at) {
    case "job": {
      const look = await lookAtJob(deps, stored, jobName);
      return (
        look && {
          ...known,
          job: asJudged(deps, instance, stored.run, look.job),
          cancelled: known.cancelled || look.cancelled,
        }
      );
    }
    case "message":
      return { ...known, message: (await lookAtMessage(deps, stored.run)).message };
    case "slot":
      return { ...known, slot: await lookAtSlot(deps, instance, stored.run) };
    default:
      return at satisfies never;
  }
}

/** Takes the end of an attempt as it would count by what is known of its module. */
function asJudged(
  { modules, clock }: LookDependencies,
  { moduleStates }: InstanceState,
  run: Run,
  job: JobSeen,
): JobSeen {
  const counted = (end: Parameters<typeof endAsItCounts>[2]["end"]) =>
    endAsItCounts(modules, moduleStates.get(run.module), { run, end, now: clock.now() });
  if (job.phase === "pending" && job.stuck) return { ...job, stuck: counted(job.stuck) };
  return job.phase === "failed" && job.end ? { ...job, end: counted(job.end) } : job;
}

/** Says whether a run may start now, by the rules of a tick: the first in line get the free places. */
async function lookAtSlot(deps: LookDependencies, instance: InstanceState, run: Run): Promise<Slot> {
  const limits = {
    placesOf: ({ name, maxActive }: Module) => instance.limits.get(name)?.places ?? maxActive,
    isPaused: ({ name }: Pick<Module, "name">) => instance.limits.get(name)?.places === 0,
  };
  const admission = makeAdmission(deps.table, deps.clock, limits);
  const module = startableModule(deps.modules, run);
  // One that is so far behind is not next, however many places are taken. Those need not be counted.
  const most = module ? limits.placesOf(module) : 0;
  const isFarBehind = most === 0 || (await deps.table.ahead(run, most)).isMore;
  const slots = makeSlots(deps, {
    wrongCluster: isClusterHeld(instance),
    breakers: { tripOf: ({ name }) => instance.trips.get(name) },
    limits,
    probing: new Set(),
    admission: isFarBehind ? { ...admission, isBackedUp: (one) => wasBackedUp(instance, one, limits) } : admission,
  });
  if (!isFarBehind && module) {
    await admission.countAtWork(run.source);
    const free = admission.free(module);
    if (free > 0 && (await deps.table.ahead(run, free)).count < free) return slots.take(run);
  }
  return { start: false, cause: slots.causeOf(run) };
}

/** Whether a module was backed up when the last tick counted its runs. */
function wasBackedUp({ tick }: InstanceState, module: Module, limits: Pick<Limits, "placesOf">): boolean {
  const { accepted = 0, requeueing = 0, settling = 0 } = tick?.counts?.atWork[module.name]?.byStatus ?? {};
  return isBackedUp(module, limits.placesOf(module), accepted + requeueing + settling);
}

function isClusterHeld({ clusterHold }: InstanceState): boolean {
  return "found" in clusterHold && clusterHold.found !== null;
}

/** Says what keeps ticks from a run that is seen so: they leave it before they ask `decide`. */
function keptBackBy(
  deps: LookDependencies,
  instance: InstanceState,
  { stored: { run }, job }: KnownRun,
): KeptBack | undefined {
  const { clusterHold } = instance;
  const hold = "found" in clusterHold ? clusterHold.found : null;
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
}

async function waitOf(
  deps: LookDependencies,
  instance: InstanceState,
  { run, decision, keptBack }: Standing,
): Promise<Wait | undefined> {
  // A held source does not keep a Job from being adopted.
  if (keptBack && !(keptBack.cause === "source-held" && decision.do === "adopt"))
    return {
      cause: keptBack.cause,
      ...(keptBack.cause === "held" ? { ahead: await deps.table.ahead(run, MOST_COUNTED) } : {}),
    };
  if (decision.do !== "leave") return undefined;
  const { cause } = decision;
  const until = decision.until ?? (cause === "module-tripped" ? instance.trips.get(run.module)?.probeAt : undefined);
  const ahead = run.status === "waiting" ? await deps.table.ahead(run, MOST_COUNTED) : undefined;
  const estimate = cause === "max-active" && ahead ? estimateOf(instance, run, ahead) : undefined;
  return {
    cause,
    ...(until === undefined ? {} : { until }),
    ...(ahead === undefined ? {} : { ahead }),
    ...(estimate === undefined ? {} : { estimate }),
  };
}

/**
 * Says how long the line in front of a run takes, by how many runs of its module were closed lately: each makes room for
 * one. What was rejected had no place, and what is in front of more than is counted takes unknown time.
 */
function estimateOf({ tick }: InstanceState, run: Run, ahead: Count): Estimate | undefined {
  if (!tick?.counts || ahead.isMore) return undefined;
  const { since, modules } = tick.counts.ends;
  const { succeeded = 0, failed = 0, cancelled = 0 } = modules[run.module] ?? {};
  const closed = succeeded + failed + cancelled;
  const spanMs = tick.at - since;
  if (closed === 0 || spanMs <= 0) return undefined;
  return { ms: Math.round(((ahead.count + 1) * spanMs) / closed), closed, since };
}
