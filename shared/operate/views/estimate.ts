import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import { present } from "../../plain-data.ts";
import type { Count, RunInSlot, SlotsAtWork } from "../../ports/run-table.ts";
import type { Spread } from "../../run/durations.ts";
import { slotsBy } from "../../run/module-limit.ts";
import { endsOf, paceOf, tookLately } from "../../run/recent-ends.ts";
import type { Run } from "../../run/run.ts";
import { holdsSlot } from "../../start/slot-demand.ts";
import type { InstanceState } from "./instance-state.ts";

/** How long it takes to come to a run in line. */
export interface Estimate {
  /** Undefined if no run of the module was closed lately, so that nothing tells. */
  readonly ms?: number;
  /** How long it takes at least, if what is known allows for less than `ms`, too. */
  readonly leastMs?: number;
  /** Whether it may take longer, because more runs may be ahead than were counted. */
  readonly isMore: boolean;
  /** So many runs of the module tell it, which were closed since then. */
  readonly closed: number;
  readonly since: EpochMs;
  /**
   * By the ages of so many Jobs at work, if they take as long as those that ended lately. Undefined: by the pace at which
   * runs were closed, because those ahead leave the line as fast.
   */
  readonly jobs?: number;
}

/**
 * Says how long the line in front of a run takes. A run that one of the Jobs at work makes room for comes to its turn when
 * that one ends, and the pace would say too little: twenty Jobs that began together end together. `atWork` reads the runs
 * of its source that are at work.
 */
export async function estimateOf(
  { clock, modules }: Pick<LookDependencies, "clock" | "modules">,
  { ends, endsBySlot, limits }: InstanceState,
  { module }: Run,
  { ahead, atWork }: { readonly ahead: Count; readonly atWork: () => Promise<SlotsAtWork> },
): Promise<Estimate> {
  const now = clock.now();
  const slots = slotsBy(limits.get(module), modules.get(module)?.maxActive) ?? 0;
  const took = tookLately(endsBySlot, module, now);
  const { eachMs, leastEachMs, ...pace } = paceOf(endsOf(ends, module), now, { took, slots });
  if (took.job && !ahead.isMore && ahead.count < slots) {
    const working = (await atWork()).runs.map(({ run }) => run).filter((run) => run.module === module);
    const jobs = working.filter((run) => holdsSlot(run, now));
    // Slots that are free go to runs ahead. A lowered limit leaves more Jobs at work than there are slots.
    const before = Math.max(0, jobs.length - slots + ahead.count);
    const turn = turnByJobs(jobs, took.job, before, now);
    if (turn) return { ...turn, isMore: false, closed: took.job.count, since: pace.since };
  }
  const forAll = (ms: number | undefined) => (ms === undefined ? undefined : Math.round((ahead.count + 1) * ms));
  return { ...present({ ms: forAll(eachMs), leastMs: forAll(leastEachMs) }), isMore: ahead.isMore, ...pace };
}

/**
 * Says when so many Jobs and one more have ended: between the time when each has worked as long as half of them did
 * lately, and as long as 95 of a hundred. When one ends that has worked for longer already, nothing tells. Undefined if
 * too few are left without these.
 */
function turnByJobs(
  jobs: readonly RunInSlot[],
  { medianMs, p95Ms }: Spread,
  before: number,
  now: EpochMs,
): Pick<Estimate, "ms" | "leastMs" | "jobs"> | undefined {
  const began = jobs.map(({ dispatchedAt = now }) => dispatchedAt).filter((at) => now < at + p95Ms);
  const next = began.toSorted((a, b) => a - b)[before];
  if (next === undefined) return undefined;
  const [leastMs, ms] = [Math.max(0, next + medianMs - now), next + p95Ms - now];
  return { ms, ...(leastMs < ms ? { leastMs } : {}), jobs: jobs.length };
}
