import type { EpochMs } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { jobName } from "../jobs/job-name.ts";
import { jobLimitMs } from "../jobs/job-spec.ts";
import { looksStuck } from "../jobs/judge-start.ts";
import { type Module } from "../modules/module.ts";
import { startableModule } from "../modules/route.ts";
import type { JobListing, PodListing } from "../ports/job-cluster.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { JobSeen, Slot, WaitCause } from "../run/decide.ts";
import { DEFAULT_RETRY } from "../run/retry-policy.ts";
import { type Run, runId } from "../run/run.ts";
import type { Source } from "../run/source.ts";
import type { Breakers } from "../start/breakers.ts";

/** What one tick sees of the cluster, by name. */
export interface ClusterView {
  readonly jobs: ReadonlyMap<string, JobListing>;
  readonly pods: ReadonlyMap<string, PodListing>;
  readonly cancelled: ReadonlySet<string>;
}

/** For the Jobs of a module that was removed: a year, which is no limit and still a date. */
const UNKNOWN_LIMIT_MS = 365 * 24 * 3_600_000;

/** A pod that is pending for less than this is simply starting. */
const START_GRACE_MS = 30_000;

/** Absences of one source that make it more likely that the cluster is wrong than that the Jobs are gone. */
const MASS_ABSENCE = { atLeast: 10, share: 0.2 };

/** Three light lists, whatever the history and the bodies weigh. Taken after the rows were read: a Job that a row speaks of is there. */
export async function viewCluster({ cluster }: Dependencies): Promise<ClusterView> {
  const [jobs, pods, cancelled] = await Promise.all([cluster.listJobs(), cluster.listPods(), cluster.listCancelled()]);
  return {
    jobs: new Map(jobs.map((job) => [job.name, job])),
    pods: new Map(pods.map((pod) => [pod.jobName, pod])),
    cancelled: new Set(cancelled),
  };
}

/** The Job that a run's next step is about: the last attempt's while that one is being put away, else this attempt's. */
export function jobNameOf(run: Run, instance: string): string {
  if (run.jobName !== undefined) return run.jobName;
  return jobName({ module: run.module, instance, key: run, attempt: run.attempt });
}

/** Whether a person wants the run cancelled. The label counts on each of its Jobs: a run that waits out a back-off has none but earlier ones. */
export function isCancelled(run: Run, instance: string, { cancelled }: ClusterView): boolean {
  if (cancelled.size === 0) return false;
  const attempts = Array.from({ length: run.attempt }, (_, index) => index + 1);
  return attempts.some((attempt) => cancelled.has(jobName({ module: run.module, instance, key: run, attempt })));
}

/** A pod that runs, all of it; and one whose other containers run, when the first has ended. */
const RUNNING = new Set(["Running", "NotReady"]);

/** A pod that is at its init containers. Whether one of them is at work, or is only about to start, this doesn't tell. */
const AT_INIT = /^Init:\d+\/\d+$/;
/** One of them is over, or is a sidecar that has started. */
const PAST_FIRST_INIT = /^Init:[1-9]\d*\/\d+$/;

/**
 * The phase of a run's Job as the light lists show it. `mayProve`: whether its start would end what is held against its module, so that it is
 * worth a look whether its init containers, which with a `handler` do the work, have started.
 */
export function phaseOf(
  run: Run,
  name: string,
  view: ClusterView,
  {
    module,
    now,
    mayProve = false,
  }: { readonly module: Module | undefined; readonly now: EpochMs; readonly mayProve?: boolean },
): JobSeen {
  const job = view.jobs.get(name);
  if (!job) return { phase: "absent", confirmed: false };
  switch (job.state) {
    case "suspended":
      return { phase: "suspended" };
    case "terminating":
      return { phase: "terminating" };
    case "complete":
      return { phase: "succeeded" };
    case "failed":
      return { phase: "failed" };
    case "active": {
      const pod = view.pods.get(name);
      if (pod && RUNNING.has(pod.status)) return { phase: "running" };
      const age = now - (run.dispatchedAt ?? now);
      const overdue = module !== undefined && age > module.startTimeoutMs;
      // What comes next is at work by then, or the status would say why not.
      if (pod && overdue && !mayProve && PAST_FIRST_INIT.test(pod.status)) return { phase: "running" };
      // With no pod at all its events have to tell, and nothing that they can say counts before it is overdue: a controller that is behind by
      // thousands of pods must not be asked about each of them in every tick.
      const suspect = pod
        ? looksStuck(pod.status) || overdue || (mayProve && AT_INIT.test(pod.status))
        : overdue && age > START_GRACE_MS;
      return { phase: "pending", suspect };
    }
    default:
      return job.state satisfies never;
  }
}

/** A Job that is still at work, or ending. Suspended time does not count, and one that is over is judged in the same tick. */
const OVERDUE_PHASES = new Set<JobSeen["phase"]>(["pending", "running", "terminating"]);

/** Whether a run's Job is past all its own time limits and still not over: its node is dead, most likely. */
export function isOverdue(run: Run, job: JobSeen, now: EpochMs): boolean {
  return run.jobOverdueAt !== undefined && now > run.jobOverdueAt && OVERDUE_PHASES.has(job.phase);
}

/** Whether so many Jobs of a source are missing at once that none of the absences is to be believed: the wrong cluster, or namespace. */
export function isMassAbsence(runs: readonly StoredRun[], view: ClusterView): boolean {
  const dispatched = runs.filter(({ run }) => run.status === "dispatched");
  const absent = dispatched.filter(({ run }) => !view.jobs.has(run.jobName ?? "")).length;
  // guard: mass-absence
  return absent >= MASS_ABSENCE.atLeast && absent > dispatched.length * MASS_ABSENCE.share;
}

/** Who may start, in the order in which it is asked (oldest first). */
export interface Slots {
  /** The room of a waiting run whose time has come; it is taken once asked for. */
  take(run: Run): Slot;
  /** Nothing more of a module starts in this tick. */
  shut(module: string, cause: WaitCause): void;
}

/** What else decides who may start in this tick. */
interface SlotFacts {
  readonly wrongCluster: boolean;
  readonly breakers: Breakers;
  /** The runs of tripped modules that may start all the same, by their ids. */
  readonly probing: ReadonlySet<string>;
}

/** Each module's room is what `maxActive` leaves over from the Jobs that its rows know of; a tripped module's is one at most. */
export function makeSlots(
  runs: readonly StoredRun[],
  deps: Dependencies,
  { wrongCluster, breakers, probing }: SlotFacts,
): Slots {
  const left = new Map<string, number>();
  const closed = new Map<string, WaitCause>();
  for (const { run } of runs) {
    const limit = left.get(run.module) ?? deps.modules.get(run.module)?.maxActive ?? 0;
    left.set(run.module, run.status === "dispatched" ? limit - 1 : limit);
  }
  return {
    take(run) {
      const module = startableModule(deps.modules, run);
      if (!module) return { start: false, cause: "module-removed" };
      if (wrongCluster) return { start: false, cause: "wrong-cluster" };
      const cause = closed.get(run.module);
      if (cause) return { start: false, cause };
      const room = left.get(run.module) ?? 0;
      if (room <= 0) return { start: false, cause: "max-active" };
      if (breakers.tripOf(module) && !probing.has(runId(run))) return { start: false, cause: "module-tripped" };
      left.set(run.module, room - 1);
      return { start: true };
    },
    shut(module, cause) {
      closed.set(module, cause);
    },
  };
}

/** The retry policy of a run; a removed module's runs are followed with the default one. */
export function retryOf(run: Run, deps: Dependencies) {
  return deps.modules.get(run.module)?.retry ?? DEFAULT_RETRY;
}

/** How long an attempt's Job may take in all, ms; forever where its module was removed. */
export function jobLimitOf(run: Run, deps: Dependencies): number {
  const module = deps.modules.get(run.module);
  return module ? jobLimitMs(module) : UNKNOWN_LIMIT_MS;
}

/** One source's open runs, as a tick reads them. */
export interface SourceRuns {
  readonly source: Source;
  readonly runs: StoredRun[];
}
