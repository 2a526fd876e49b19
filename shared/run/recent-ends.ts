import type { EpochMs } from "../clock.ts";
import { addDuration, addDurations, type Durations, type Spread, spreadOf } from "./durations.ts";
import { CLOSED_STATUSES, type ClosedRun, type ClosedStatus, inLineSince } from "./run.ts";
import { addOne, type CountsBy } from "./tick-counts.ts";

/** Ends are counted together for so long, and forgotten together. */
const SLOT_MS = 5 * 60_000;
/** So many slots are an hour. */
const SLOTS = 12;
/** So many modules of a slot are timed, so that the row stays far below a row's limit of 1 MiB. */
const MOST_TIMED = 200;

/** How many runs of each module were closed lately, by outcome. */
export interface RecentEnds {
  /** What was closed before is not counted: an hour ago, or when the first end of all was noted. */
  readonly since: EpochMs;
  readonly modules: Readonly<Record<string, CountsBy<ClosedStatus>>>;
  /** For each module, when the five minutes began in which its first run was closed; not before `since`. */
  readonly firstAt: Readonly<Record<string, EpochMs>>;
}

/** What was closed of one module in the last hour, slot by slot. */
export interface EndsLately {
  /** When the first slot begins, an hour ago at most. */
  readonly since: EpochMs;
  /** How long a slot is. */
  readonly slotMs: number;
  /** One number for each slot, the oldest first. The last slot is not over yet. */
  readonly done: readonly number[];
  /** Likewise. */
  readonly failed: readonly number[];
}

/** How long the runs of one module took that were done or failed. */
export interface Took<Of = Durations> {
  /** From the creation of the last attempt's Job until the run was closed. */
  readonly job: Of;
  /** From the time at which the message was enqueued, or its letter redriven, until the run was closed. */
  readonly whole: Of;
}

type BySlot<Of> = Readonly<Record<number, Readonly<Record<string, Of>>>>;
type ModuleEnds = Record<string, Partial<Record<ClosedStatus, number>>>;
type ModuleTook = Record<string, Took<Record<number, number>>>;

/** The ends of the last hour, as the replicas add to them: by the time at which a slot begins, then by module. */
export interface EndsBySlot {
  /** When the first replica began to count. */
  readonly since: EpochMs;
  readonly slots: BySlot<CountsBy<ClosedStatus>>;
  /** Undefined if an older release wrote the row last, which forgets them. */
  readonly took?: BySlot<Took>;
}

/** Ends that are still added to. */
export interface OpenEnds {
  readonly slots: Record<number, ModuleEnds>;
  readonly took: Record<number, ModuleTook>;
}

export function noEnds(): OpenEnds {
  return { slots: {}, took: {} };
}

/** Counts one more end in the slot of its time. */
export function addEnd({ slots, took }: OpenEnds, run: Ended): void {
  const slot = slotOf(run.closedAt);
  const counts = ((slots[slot] ??= {})[run.module] ??= {});
  addOne(counts, run.status);
  if (run.status !== "succeeded" && run.status !== "failed") return;
  const { job, whole } = ((took[slot] ??= {})[run.module] ??= { job: {}, whole: {} });
  if (run.dispatchedAt !== undefined) addDuration(job, run.closedAt - run.dispatchedAt);
  addDuration(whole, run.closedAt - inLineSince(run));
}

type Ended = Pick<
  ClosedRun,
  "module" | "status" | "closedAt" | "dispatchedAt" | "enqueuedAt" | "acceptedAt" | "redrive"
>;

/** Adds ends to those that were noted, and leaves out what was closed more than an hour ago. */
export function addEnds(
  noted: EndsBySlot | undefined,
  added: EndsBySlot,
  now: EpochMs,
): OpenEnds & { readonly since: EpochMs } {
  const sum = { since: Math.min(noted?.since ?? added.since, added.since), ...noEnds() };
  for (const { slots, took = {} } of [...(noted ? [noted] : []), added]) {
    for (const [slot, modules] of lately(slots, now)) addModules((sum.slots[slot] ??= {}), modules);
    for (const [slot, modules] of lately(took, now)) addTook((sum.took[slot] ??= {}), modules);
  }
  return sum;
}

/** Sums the ends of the last hour. */
export function recentEnds(noted: EndsBySlot | undefined, now: EpochMs): RecentEnds {
  const modules: ModuleEnds = {};
  const firstAt: Record<string, EpochMs> = {};
  const since = Math.max(noted?.since ?? now, oldestSlot(now));
  for (const [slot, ends] of lately(noted?.slots ?? {}, now)) {
    addModules(modules, ends);
    for (const module of Object.keys(ends)) firstAt[module] = Math.max(since, Math.min(slot, firstAt[module] ?? slot));
  }
  return { since, modules, firstAt };
}

/** Gives the ends of a module in the last hour, slot by slot. */
export function endsLately(noted: EndsBySlot | undefined, module: string, now: EpochMs): EndsLately {
  const since = oldestSlot(now);
  const slots = Array.from({ length: SLOTS }, (_, slot) =>
    doneAndFailed(noted?.slots[since + slot * SLOT_MS]?.[module] ?? {}),
  );
  return { since, slotMs: SLOT_MS, done: slots.map(({ done }) => done), failed: slots.map(({ failed }) => failed) };
}

/** Says how long the runs of a module took that were done or failed in the last hour. */
export function tookLately(noted: EndsBySlot | undefined, module: string, now: EpochMs): Partial<Took<Spread>> {
  const sum: ModuleTook = {};
  for (const [, { [module]: took }] of lately(noted?.took ?? {}, now)) if (took) addTook(sum, { [module]: took });
  const job = spreadOf(sum[module]?.job ?? {});
  const whole = spreadOf(sum[module]?.whole ?? {});
  return { ...(job && { job }), ...(whole && { whole }) };
}

/** Says how many of these were done, and how many failed. What a person cancelled is neither. */
export function doneAndFailed({ succeeded = 0, failed = 0, rejected = 0, lost = 0 }: CountsBy<ClosedStatus>): {
  readonly done: number;
  readonly failed: number;
} {
  return { done: succeeded, failed: failed + rejected + lost };
}

/** How fast the runs of a module ended lately. */
interface Pace {
  /** So many of those that had a slot were closed since then. Each made room for one in line. */
  readonly closed: number;
  readonly since: EpochMs;
  /** How long it took for each of them. Undefined if none was closed, so that nothing tells. */
  readonly eachMs?: number;
  /**
   * How long it takes at least: since the module's first end, because `eachMs` counts the time before it too, in which
   * runs were at work or no message had come; or if all slots are taken, and Jobs take as long as they did. Undefined if
   * both say no less.
   */
  readonly leastEachMs?: number;
}

/** What was closed of one module since then, by outcome. */
export type EndsOf = CountsBy<ClosedStatus> & {
  readonly since: EpochMs;
  /** When the five minutes began in which its first run was closed. */
  readonly firstAt?: EpochMs | undefined;
};

/** Gives what was closed of one module. */
export function endsOf({ since, firstAt, modules }: RecentEnds, module: string): EndsOf {
  return { ...modules[module], since, firstAt: firstAt[module] };
}

/** Says how fast the runs of a module ended since `since`. What was rejected had no slot. */
export function paceOf(
  { since, firstAt = since, succeeded = 0, failed = 0, cancelled = 0 }: EndsOf,
  now: EpochMs,
  { took, slots = 0 }: { readonly took?: Partial<Took<Spread>>; readonly slots?: number | undefined } = {},
): Pace {
  const closed = succeeded + failed + cancelled;
  if (closed === 0 || now <= since) return { closed, since };
  const eachMs = (now - since) / closed;
  const byJobs = took?.job && slots > 0 ? took.job.medianMs / slots : eachMs;
  const leastEachMs = Math.min((now - firstAt) / closed, byJobs);
  return { closed, since, eachMs, ...(leastEachMs < eachMs ? { leastEachMs } : {}) };
}

function addModules(sums: ModuleEnds, ends: Readonly<Record<string, CountsBy<ClosedStatus>>>): void {
  for (const [module, counts] of Object.entries(ends)) {
    const sum = (sums[module] ??= {});
    for (const status of CLOSED_STATUSES)
      if (counts[status] !== undefined) sum[status] = (sum[status] ?? 0) + counts[status];
  }
}

function addTook(sums: ModuleTook, modules: Readonly<Record<string, Took>>): void {
  let timed = Object.keys(sums).length;
  for (const [module, { job, whole }] of Object.entries(modules)) {
    if (sums[module] === undefined && timed === MOST_TIMED) continue;
    timed += sums[module] === undefined ? 1 : 0;
    const sum = (sums[module] ??= { job: {}, whole: {} });
    addDurations(sum.job, job);
    addDurations(sum.whole, whole);
  }
}

/** Lists the slots of the last hour. */
function lately<Of>(slots: BySlot<Of>, now: EpochMs): [EpochMs, Readonly<Record<string, Of>>][] {
  return Object.entries(slots)
    .map(([slot, modules]): [EpochMs, Readonly<Record<string, Of>>] => [Number(slot), modules])
    .filter(([slot]) => slot >= oldestSlot(now));
}

function slotOf(time: EpochMs): EpochMs {
  return Math.floor(time / SLOT_MS) * SLOT_MS;
}

function oldestSlot(now: EpochMs): EpochMs {
  return slotOf(now) - (SLOTS - 1) * SLOT_MS;
}
