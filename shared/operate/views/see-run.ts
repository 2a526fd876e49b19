import type { LookDependencies } from "../../dependencies.ts";
import { EntityMissingError, errorText, UnavailableError } from "../../errors.ts";
import { isRetired } from "../../jobs/job-identity.ts";
import type { Module } from "../../modules/module.ts";
import { startableModule } from "../../modules/route.ts";
import { type ClusterView, jobNameOf } from "../../observe/cluster-view.ts";
import { decideNow, type KnownRun, knownFromView } from "../../observe/known-run.ts";
import { lookAtJob } from "../../observe/look-at-job.ts";
import { lookAtMessage } from "../../observe/look-at-message.ts";
import { type Count, MOST_COUNTED, type SlotsAtWork, type StoredRun } from "../../ports/run-table.ts";
import type { JobSeen, Slot } from "../../run/decide.ts";
import { slotsBy } from "../../run/module-limit.ts";
import type { AttemptEnd, Run } from "../../run/run.ts";
import type { ModuleAtWork } from "../../run/tick-counts.ts";
import { makeAdmission } from "../../start/admission.ts";
import { endAsItCounts } from "../../start/breakers.ts";
import type { Limits } from "../../start/limits.ts";
import { isBackedUp } from "../../start/slot-demand.ts";
import { makeSlots } from "../../start/slots.ts";
import { holdOnCluster, type InstanceState } from "./instance-state.ts";

/** A run, with all that `decide` asked for. */
interface SeenRun {
  readonly known: KnownRun;
  /** Why not all of it could be found out: a server is away. */
  readonly unavailable?: string;
  /** The bus says that it has no such entity. */
  readonly isEntityMissing?: true;
}

/** What tells whether a run may start, each read once at most. */
interface Counts {
  /** Counts the runs in front of it in its line. */
  readonly ahead: () => Promise<Count>;
  /** Reads the runs of its source that are at work. */
  readonly atWork: () => Promise<SlotsAtWork>;
}

/** More looks than any decision takes: the Job, the message and the slot. */
const MAX_LOOKS = 4;

/**
 * Looks at a run until `decide` asks for no more, or a server that is asked is away. It sees what a tick that lists would
 * see, and of a Job that is active what a look at it tells.
 */
export async function seeRun(
  deps: LookDependencies,
  instance: InstanceState,
  stored: StoredRun,
  counts: Counts,
): Promise<SeenRun | "moved on"> {
  let known = unseen(deps, stored);
  try {
    known = await lookFirst(deps, instance, stored, counts);
    for (let look = 1; look <= MAX_LOOKS; look += 1) {
      const decision = decideNow(deps, known);
      if (decision.do !== "look") break;
      const more = await lookCloser(deps, instance, known, decision.at, counts);
      if (more === undefined) return "moved on";
      known = more;
    }
    return { known };
  } catch (error) {
    if (error instanceof EntityMissingError) return { known, isEntityMissing: true };
    if (error instanceof UnavailableError) return { known, unavailable: errorText(error) };
    throw error;
  }
}

/** Gives what is known of a run before any look. */
export function unseen(deps: LookDependencies, stored: StoredRun): KnownRun {
  const jobName = jobNameOf(stored.run, deps.instance);
  return { stored, jobName, job: { phase: "absent", confirmed: false }, cancelled: false };
}

/** Sees a run's Job as the light lists show it. If it is active there, only the Job itself says what of it there is. */
async function lookFirst(
  deps: LookDependencies,
  instance: InstanceState,
  stored: StoredRun,
  counts: Counts,
): Promise<KnownRun> {
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
  return (isUnclear ? await lookCloser(deps, instance, known, "job", counts) : undefined) ?? known;
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
  counts: Counts,
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
      return { ...known, slot: await lookAtSlot(deps, instance, stored.run, counts) };
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
  const counted = (end: AttemptEnd) =>
    endAsItCounts(modules, moduleStates.get(run.module), { run, end, now: clock.now() });
  if (job.phase === "pending" && job.stuck) return { ...job, stuck: counted(job.stuck) };
  return job.phase === "failed" && job.end ? { ...job, end: counted(job.end) } : job;
}

/** Says whether a run may start now, by the rules of a tick: the first in line get the free slots. */
async function lookAtSlot(
  deps: LookDependencies,
  instance: InstanceState,
  run: Run,
  { ahead, atWork }: Counts,
): Promise<Slot> {
  const limits = limitsOf(instance);
  const { table } = deps;
  const admission = makeAdmission({ ...table, atWork }, deps.clock, limits);
  const module = startableModule(deps.modules, run);
  const isFarBehind = module === undefined || isBehind(await ahead(), limits.slotsOf(module));
  const slots = makeSlots(deps, {
    wrongCluster: holdOnCluster(instance) !== null,
    breakers: { tripOf: ({ name }) => instance.trips.get(name) },
    limits,
    probing: new Set(),
    admission: isFarBehind ? { ...admission, isBackedUp: (one) => wasBackedUp(instance, one, limits) } : admission,
  });
  if (!isFarBehind) {
    await admission.countAtWork(run.source);
    if ((await ahead()).count < admission.free(module)) return slots.take(run);
  }
  return { start: false, cause: slots.causeOf(run) };
}

/**
 * Says how many runs in front of a run are worth counting: those that tell its place, or if more slots of its module
 * were free when the last tick counted its runs, so many as tell whether it is next.
 */
export function mostAhead({ modules }: Pick<LookDependencies, "modules">, instance: InstanceState, run: Run): number {
  const module = run.status === "waiting" ? startableModule(modules, run) : undefined;
  if (module === undefined) return MOST_COUNTED;
  const { dispatched = 0, accepted = 0 } = atWorkOf(instance, module);
  return Math.max(MOST_COUNTED, limitsOf(instance).slotsOf(module) - dispatched - accepted);
}

/**
 * Whether a run is so far behind that it is not next, however many slots are taken. Those need not be counted then: the
 * last tick's count will do, if so many runs are ahead as were worth counting.
 */
function isBehind(ahead: Count, slots: number): boolean {
  return ahead.isMore || ahead.count >= slots;
}

/** Gives the limits as the instance's rows have them. */
function limitsOf({ limits }: InstanceState): Pick<Limits, "slotsOf" | "isPaused"> {
  return {
    slotsOf: ({ name, maxActive }: Module) => slotsBy(limits.get(name), maxActive),
    isPaused: ({ name }: Pick<Module, "name">) => limits.get(name)?.slots === 0,
  };
}

/** Whether a module was backed up when the last tick counted its runs. */
function wasBackedUp(instance: InstanceState, module: Module, limits: Pick<Limits, "slotsOf">): boolean {
  const { accepted = 0, requeueing = 0, settling = 0 } = atWorkOf(instance, module);
  return isBackedUp(module, limits.slotsOf(module), accepted + requeueing + settling);
}

function atWorkOf({ tick }: InstanceState, { name }: Module): ModuleAtWork["byStatus"] {
  return tick?.counts?.atWork[name]?.byStatus ?? {};
}
