import type { Looking } from "../dependencies.ts";
import { endOfBodyUrl, retryOf } from "../jobs/run-limits.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { type Decision, decide, type JobSeen, type MessageSeen, type Slot } from "../run/decide.ts";
import type { Run } from "../run/run.ts";
import { type ClusterView, isCancelled, jobNameOf, phaseOf } from "./cluster-view.ts";

/** One run, and what was seen of it so far. */
export interface KnownRun {
  readonly stored: StoredRun;
  readonly jobName: string;
  readonly job: JobSeen;
  readonly cancelled: boolean;
  /** Once it was asked for. */
  readonly slot?: Slot;
  /** Once it was looked at. */
  readonly message?: MessageSeen;
}

/** What else than the view and the row says how a run's Job is to be taken: see `phaseOf`. */
interface JobFacts {
  /** Whether the Job's start would end what speaks against its module. */
  readonly mayProve: boolean;
  readonly isLookDue: (run: Run) => boolean;
}

/** Says what a view shows of a run's Job. */
export function knownFromView(
  deps: Pick<Looking, "clock" | "modules" | "instance" | "bodyAccess">,
  stored: StoredRun,
  view: ClusterView,
  { mayProve, isLookDue }: JobFacts,
): KnownRun {
  const { run } = stored;
  const now = deps.clock.now();
  const jobName = jobNameOf(run, deps.instance);
  const job = phaseOf(run, jobName, view, {
    module: deps.modules.get(run.module),
    now,
    mayProve,
    urlEnds: endOfBodyUrl(run, deps, now),
    isLookDue: () => isLookDue(run),
  });
  return { stored, jobName, job, cancelled: isCancelled(run, deps.instance, view) };
}

/** Says what to do about a run by what is known of it. Ticks and operators ask here alike. */
export function decideNow(
  deps: Pick<Looking, "clock" | "modules"> & { readonly lockDurationMs: number },
  { stored: { run }, job, cancelled, slot, message }: KnownRun,
): Decision {
  return decide({
    run,
    job,
    cancelled,
    slot,
    message,
    retry: retryOf(run, deps),
    lockDurationMs: deps.lockDurationMs,
    now: deps.clock.now(),
  });
}
