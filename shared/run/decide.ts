import type { EpochMs } from "../clock.ts";
import { afterEnding, type Conclude, cancelled, type Retry } from "./after-ending.ts";
import { lastBegun } from "./change-run.ts";
import { START_TIME_MS } from "./new-run.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import {
  type AttemptEnd,
  CLUSTER_HOLDS,
  type ClusterHold,
  type Hold,
  type OpenStatus,
  type Run,
  type Verdict,
} from "./run.ts";

/**
 * What the cluster shows of an attempt's Job. The phase is known from a light list. Whether the Job is really absent,
 * why it does not start, how long it may run and why it failed is known only after a look at the Job itself.
 */
export type JobSeen =
  | { readonly phase: "absent"; readonly confirmed: boolean }
  /**
   * `suspect`: the list looks as if the Job could not start, and the Job itself was not looked at yet. `stuck`: the
   * attempt has to be ended. `held`: what keeps the Job from starting, after a look.
   */
  | {
      readonly phase: "pending";
      readonly suspect: boolean;
      readonly stuck?: AttemptEnd;
      readonly held?: Hold | "nothing";
    }
  /** `limitAt`: when its pod has to be over by its own time limit, after a look. */
  | { readonly phase: "running"; readonly limitAt?: EpochMs }
  /**
   * `hasPod`: a pod of it is still there, and ends; undefined as long as only a look can tell. `stuck`: the attempt has to
   * be ended, because its Job can't wait any longer.
   */
  | { readonly phase: "suspended"; readonly hasPod?: boolean; readonly stuck?: AttemptEnd }
  /**
   * A condition says how it will end, but its pods are not all gone yet. `limitAt`: when they have to be, after a look.
   */
  | { readonly phase: "terminating"; readonly limitAt?: EpochMs }
  | { readonly phase: "succeeded" }
  /**
   * After a look `end` says how it ended. `byPod`: a pod was there to tell whether it had started. `byDeadline`: the Job's
   * own deadline ended it, which nobody but the Dispatcher is to set.
   */
  | { readonly phase: "failed"; readonly end?: AttemptEnd; readonly byPod?: boolean; readonly byDeadline?: boolean }
  /** A Job that has the attempt's name and is not the attempt's, or that is retired already. */
  | { readonly phase: "foreign" };

/**
 * What the bus shows. `absent`: a peek missed the message. `gone`: two peeks a lock duration apart missed it, and
 * between them the broker said MessageNotFound when it was asked for the message by its number. `foreign`: it is
 * deferred, and another instance of the Dispatcher did that.
 */
export type MessageSeen = "deferred" | "foreign" | "active" | "absent" | "gone";

/** Why a run that could start does not. */
export type WaitCause =
  | "back-off"
  | "max-active"
  /** A person paused the module. */
  | "paused"
  /** So many runs of the module wait to be settled that nothing more of it starts. */
  | "unsettled"
  /** No module file takes it. */
  | "module-removed"
  /** Only for an operator at a desk: the file of the module is wrong, so that nothing is known of the module. */
  | "module-unread"
  /** Its own template keeps the Jobs of the module from starting. */
  | "module-tripped"
  /** This is another cluster, or so many Jobs are missing that it is more likely another one. */
  | "wrong-cluster"
  /** The API server can't be asked. */
  | "cluster"
  | "quota";

/** Why nothing is done about a run just now. */
export type LeaveCause =
  | WaitCause
  /** The Job has not started for longer than its module's `startTimeout`. */
  | ClusterHold
  /** The message would be rejected, and the gate is shut. */
  | "held"
  /** The trigger that inserted the row, or the tick that starts its Job, is probably still at work. */
  | "trigger-at-work"
  /** The message was not deferred, and will be delivered again. */
  | "redelivery"
  /** The bus shows the message as active, though it was deferred. */
  | "active-though-deferred"
  /** Another instance of the Dispatcher has deferred the message, and works on it. */
  | "another-instance"
  /** The bus has no such entity, or not the messages that the rows speak of. */
  | "source-held"
  /** Another receiver holds the message. */
  | "busy"
  | "job-at-work"
  | "job-suspended"
  /** A condition says how the Job will end, but its pods are not all gone yet. */
  | "job-terminating"
  /** The Job is past the time limit of its pod, and not over. Only a person may force it. */
  | "job-overdue"
  /** Another process changed the row meanwhile. */
  | "moved-on";

export type Slot = { readonly start: true } | { readonly start: false; readonly cause: WaitCause };

export interface Seen {
  readonly run: Run;
  readonly job: JobSeen;
  /** Whether a person labelled a Job of the run `ion/cancel=true`: this attempt's or an earlier one's. */
  readonly cancelled: boolean;
  /** Undefined: not looked at yet. */
  readonly message?: MessageSeen | undefined;
  /** Whether the run may start its Job now. Undefined: not asked for yet. */
  readonly slot?: Slot | undefined;
  readonly retry: RetryPolicy;
  /** How long another receiver may hold the message, in ms. */
  readonly lockDurationMs: number;
  readonly now: EpochMs;
}

export type Decision =
  /** Nothing is to be done before `until`, if that is known. */
  | { readonly do: "leave"; readonly cause: LeaveCause; readonly until?: EpochMs }
  /** Not enough is known: look closer, and ask again. */
  | { readonly do: "look"; readonly at: "job" | "message" | "slot" }
  /** accepted -> waiting: the message is deferred. */
  | { readonly do: "await start" }
  /** held -> waiting or settling, as the files say by now; or it stays held, if its gate is shut. */
  | { readonly do: "judge" }
  /** waiting -> accepted -> dispatched, by a create. */
  | { readonly do: "start" }
  /** accepted or waiting -> dispatched: the Job exists already. */
  | { readonly do: "adopt" }
  /** End the attempt's Job once the row says why. The end is judged when the Job is over. */
  | { readonly do: "end"; readonly end: AttemptEnd }
  /** Note in the row what keeps the Job from starting; undefined if nothing does any more. */
  | { readonly do: "note hold"; readonly hold: Hold | undefined }
  /** Note in the row until when the Job's pod may run. */
  | { readonly do: "note limit"; readonly limitAt: EpochMs }
  /** dispatched -> requeueing; or waiting -> waiting, if the attempt's name is taken. */
  | Retry
  /** requeueing -> waiting: store the logs, retire the Job, stamp the message. */
  | { readonly do: "requeue" }
  /** -> settling, with this verdict. */
  | Conclude
  /** Retire the Job, settle the message, close. */
  | { readonly do: "settle" }
  /** Another receiver holds the message: try later, each time twice as late. */
  | { readonly do: "wait while busy" }
  /** The first peek that missed the message: note when, and look again a lock duration later. */
  | { readonly do: "doubt" }
  /** The message was seen after all: the next peek that misses it is a first one again. */
  | { readonly do: "trust" }
  /** A second peek missed the message: ask for it by its number, and give it back if it is there. */
  | { readonly do: "receive" }
  /** Close without touching the bus: the message is gone from it. */
  | { readonly do: "close"; readonly verdict: Verdict };

type Rule = (seen: Seen) => Decision;
type JobPhase = JobSeen["phase"];

/** The same rule, whatever is seen of the Job. */
const always = (rule: Rule): Record<JobPhase, Rule> => {
  return {
    absent: rule,
    pending: rule,
    running: rule,
    suspended: rule,
    terminating: rule,
    succeeded: rule,
    failed: rule,
    foreign: rule,
  };
};

/** One row per recorded status, one column per phase seen in the cluster. A missing cell is a compile error. */
// biome-ignore format: a table
export const RULES: Record<OpenStatus, Record<JobPhase, Rule>> = {
  accepted:   { absent: arrive,   pending: take,    running: take,    suspended: take,      terminating: take,   succeeded: take,    failed: take,  foreign: arrive },
  held:       always(hold),
  waiting:    { absent: start,    pending: adopt,   running: adopt,   suspended: adopt,     terminating: adopt,  succeeded: adopt,   failed: adopt, foreign: renumber },
  dispatched: { absent: vanished, pending: pending, running: running, suspended: suspended, terminating: linger, succeeded: succeed, failed: fail,  foreign: renumber },
  requeueing: always(requeue),
  settling:   always(settle),
};

/**
 * Says what to do about one run. It has no clock and does no I/O: everything it needs is in its argument, and the same
 * argument gets the same answer.
 */
export function decide(seen: Seen): Decision {
  return RULES[seen.run.status][seen.job.phase](seen);
}

/** Names the rule by which `decide` judges a run, as its row says and the phase of its Job. */
export function ruleOf(status: OpenStatus, phase: JobSeen["phase"]): string {
  return RULES[status][phase].name;
}

/**
 * The process that was about to create the Job had its time, and no Job is there. If there is one that isn't the
 * attempt's, the run waits, and has another name then.
 */
function arrive(seen: Seen): Decision {
  const { run, now } = seen;
  if (now < run.notBefore) return leave("trigger-at-work", run.notBefore);
  const active = run.redrive === undefined ? leave("redelivery") : notDeferred(seen);
  return byMessage(seen, { deferred: { do: "await start" }, active });
}

/** The Job is there, and the process that created it had its time to record it. What the bus shows does not matter. */
function take({ run, now }: Seen): Decision {
  return now < run.notBefore ? leave("trigger-at-work", run.notBefore) : adopt();
}

/** A tick asks only if the gate is not shut, so that what is held waits at no cost. The run has no Job yet. */
function hold(seen: Seen): Decision {
  const { run, cancelled: isCancelled, retry, now } = seen;
  if (isCancelled) return afterEnding({ ...run, attempt: lastBegun(run) }, CANCELLED, retry, now);
  if (now < run.notBefore) return leave("trigger-at-work", run.notBefore);
  return byMessage(seen, { deferred: { do: "judge" }, active: leave("redelivery") });
}

function start(seen: Seen): Decision {
  const { run, cancelled: isCancelled, slot, retry, now } = seen;
  if (isCancelled) return afterEnding({ ...run, attempt: lastBegun(run) }, CANCELLED, retry, now);
  if (now < run.notBefore) return leave("back-off", run.notBefore);
  if (slot === undefined) return { do: "look", at: "slot" };
  if (!slot.start) return leave(slot.cause);
  return byMessage(seen, { deferred: { do: "start" }, active: notDeferred(seen) });
}

/**
 * Says what to do about a run that has no Job and no verdict, by what the bus shows of its message. A letter that
 * another instance has deferred is as good as not deferred.
 */
function byMessage(seen: Seen, then: { readonly deferred: Decision; readonly active: Decision }): Decision {
  const { message } = seen;
  if (isBelied(seen)) return { do: "trust" };
  switch (message) {
    case undefined:
      return { do: "look", at: "message" };
    case "deferred":
      return then.deferred;
    case "foreign":
      return seen.run.redrive === undefined ? leave("another-instance") : then.active;
    case "active":
      return then.active;
    case "absent":
      return absent(seen);
    case "gone":
      return LOST;
    default:
      return message satisfies never;
  }
}

/**
 * The message of a waiting run is not deferred. A run that was accepted while no slot was free waits from the beginning,
 * so that the trigger may be just deferring its message, or may have died before it did.
 */
function notDeferred({ run, now, lockDurationMs }: Seen): Decision {
  if (run.redrive !== undefined) {
    // The process that holds the letter's lock may still defer it.
    const until = run.acceptedAt + lockDurationMs + START_TIME_MS;
    // guard: withdraw-what-was-not-claimed
    return now < until ? leave("trigger-at-work", until) : { do: "close", verdict: WITHDRAWN_VERDICT };
  }
  if (run.attempt > 1) return leave("active-though-deferred");
  const until = run.acceptedAt + START_TIME_MS;
  return now < until ? leave("trigger-at-work", until) : leave("redelivery");
}

function adopt(): Decision {
  return { do: "adopt" };
}

/** The attempt's name is taken by a Job that is not the attempt's, so the next attempt has another name. */
function renumber({ run, retry, now }: Seen): Decision {
  const detail = `a Job named ${run.jobName ?? "as this attempt's"} exists and is not this attempt's`;
  return afterEnding(run, { reason: "JobNotStarted", kind: "interruption", permanent: false, detail }, retry, now);
}

function vanished(seen: Seen): Decision {
  // guard: slow-absence-of-jobs
  if (seen.job.phase === "absent" && !seen.job.confirmed) return { do: "look", at: "job" };
  return ended(seen, seen.run.endOrdered ?? DELETED);
}

function pending(seen: Seen): Decision {
  const { job, run } = seen;
  if (job.phase === "pending" && !run.endOrdered) {
    if (job.stuck) return { do: "end", end: job.stuck };
    if (job.suspect) return { do: "look", at: "job" };
  }
  const end = endWanted(seen);
  if (end) return { do: "end", end };
  const held = job.phase === "pending" ? job.held : undefined;
  if (held === "nothing") return unheld(run) ?? leave("job-at-work");
  // The cause is noted and not the words, which change with every node that comes and goes.
  if (held && held.cause !== run.heldUpBy) return { do: "note hold", hold: held };
  return leave(clusterHold(run) ?? "job-at-work");
}

function running(seen: Seen): Decision {
  const end = endWanted(seen);
  return end ? { do: "end", end } : (unheld(seen.run) ?? atWork(seen, "job-at-work"));
}

/** Why the Job is to be ended. The patch is repeated, because the process that recorded the end may have died before. */
function endWanted({ run, cancelled: isCancelled }: Seen): AttemptEnd | undefined {
  return run.endOrdered ?? (isCancelled ? CANCELLED : undefined);
}

/** Forgets what kept the Job from starting: the next hold is a first one again. */
function unheld({ heldUpBy }: Run): Decision | undefined {
  return heldUpBy === undefined ? undefined : { do: "note hold", hold: undefined };
}

/** Leaves a Job at work, unless it may be overdue: only its pod tells since when it runs. */
function atWork({ run: { jobOverdueAt }, job, now }: Seen, cause: "job-at-work" | "job-terminating"): Decision {
  if (jobOverdueAt === undefined || now <= jobOverdueAt) return leave(cause);
  if (job.phase !== "running" && job.phase !== "terminating") return leave(cause);
  if (job.limitAt === undefined) return { do: "look", at: "job" };
  return job.limitAt > jobOverdueAt ? { do: "note limit", limitAt: job.limitAt } : leave("job-overdue");
}

/**
 * A suspended Job waits, as Kueue has it, and is not stuck. It never ends by itself, so an attempt that is to end is over
 * as soon as no pod is there, and the Job stays suspended. A Job that was preempted has a pod until that has ended.
 */
function suspended(seen: Seen): Decision {
  const end = endWanted(seen);
  if (end && seen.job.phase === "suspended") {
    if (seen.job.hasPod === undefined) return { do: "look", at: "job" };
    return seen.job.hasPod ? leave("job-suspended") : ended(seen, end);
  }
  // The order goes into the row first: should the Job be resumed just now, its end says why.
  if (seen.job.phase === "suspended" && seen.job.stuck) return { do: "end", end: seen.job.stuck };
  return unheld(seen.run) ?? leave("job-suspended");
}

// guard: terminal-conditions, decision
function linger(seen: Seen): Decision {
  return atWork(seen, "job-terminating");
}

/** Exit 0 is success, even if the Job was just being ended, because the work is done. */
function succeed({ run: { failures, interruptions } }: Seen): Decision {
  return { do: "conclude", verdict: { outcome: "succeeded" }, failures, interruptions };
}

/**
 * An order to end the Job says why it ended, unless it ended by itself before the order took effect: a process may die
 * between the two, and the Job may start meanwhile. A person who cancels wants no other attempt in any case.
 */
function fail(seen: Seen): Decision {
  const { job, run } = seen;
  const order = run.endOrdered;
  if (order?.kind === "cancel") return ended(seen, order);
  if (job.phase !== "failed" || job.end === undefined) return { do: "look", at: "job" };
  return order && job.byDeadline ? ended(seen, order) : ended(seen, job.end, job.byPod);
}

/** The attempt is over. A person who cancels a Job that is ending anyway does not want the work tried again. */
function ended({ run, cancelled: isCancelled, retry, now }: Seen, end: AttemptEnd, byPod = false): Decision {
  const counted = byPod ? end : unlessHeld(run, end);
  return afterEnding(run, isCancelled ? { ...end, kind: "cancel" } : counted, retry, now);
}

/**
 * What took a Job away that the cluster kept from starting, as the row says, took no work away. Asked only if no pod was
 * there to tell.
 */
function unlessHeld(run: Run, end: AttemptEnd): AttemptEnd {
  if (end.kind !== "interruption" || clusterHold(run) === undefined) return end;
  return { ...end, reason: "JobNotStarted", kind: "unstarted" };
}

/** Why a run is left whose Job was not looked at, as its row says. */
export function leftUnseen(run: Run): LeaveCause {
  return run.status === "accepted" ? "trigger-at-work" : (clusterHold(run) ?? "job-at-work");
}

/** What of the cluster keeps the run's Job from starting, as its row says. */
function clusterHold({ heldUpBy }: Run): ClusterHold | undefined {
  return CLUSTER_HOLDS.find((cause) => cause === heldUpBy);
}

function requeue({ run, cancelled: isCancelled, retry, now }: Seen): Decision {
  if (isCancelled) return afterEnding({ ...run, attempt: lastBegun(run) }, CANCELLED, retry, now);
  // `notBefore` is the back-off of the next attempt, so only a busy message makes the requeue wait.
  return run.busyCount > 0 && now < run.notBefore ? leave("busy", run.notBefore) : { do: "requeue" };
}

function settle(seen: Seen): Decision {
  const { run, message, now } = seen;
  if (now < run.notBefore) return leave("busy", run.notBefore);
  if (isBelied(seen)) return { do: "trust" };
  switch (message) {
    case undefined:
      return { do: "settle" };
    case "deferred":
      return { do: "wait while busy" };
    case "foreign":
    case "active":
      // Its run was cancelled before the letter was deferred. It lies where it lay.
      if (run.redrive !== undefined && run.verdict?.unbegun) return { do: "close", verdict: run.verdict };
      return leave(message === "foreign" ? "another-instance" : "active-though-deferred");
    case "absent":
      return absent(seen);
    case "gone":
      // An earlier try settled it and its reply or row was lost, or another receiver took it. Either way the verdict
      // stands.
      return run.verdict ? { do: "close", verdict: run.verdict } : LOST;
    default:
      return message satisfies never;
  }
}

/** Absence is believed slowly, because a peek can be wrong for a moment, and a wrong "gone" loses the message. */
function absent({ run, now, lockDurationMs }: Seen): Decision {
  const isDoubted = run.absentSince !== undefined && now - run.absentSince >= lockDurationMs;
  // guard: slow-absence
  return { do: isDoubted ? "receive" : "doubt" };
}

/**
 * Says whether the message is there although an earlier peek missed it. If the doubt were kept, a later look would
 * receive the message for nothing.
 */
function isBelied({ run, message }: Seen): boolean {
  const isThere = message === "deferred" || message === "foreign" || message === "active";
  return run.absentSince !== undefined && isThere;
}

/** The verdict of a run whose message is gone. */
export const LOST_VERDICT: Verdict = {
  outcome: "lost",
  description: "the message is gone from the bus, and this instance did not settle it",
};

/** The verdict of a redriven run whose letter was not deferred in time. */
export const WITHDRAWN_VERDICT: Verdict = {
  outcome: "withdrawn",
  description: "its dead letter was not set aside, because the process that redrove it died; it can be redriven again",
};

const LOST: Decision = { do: "close", verdict: LOST_VERDICT };

function leave(cause: LeaveCause, until?: EpochMs): Decision {
  return { do: "leave", cause, ...(until === undefined ? {} : { until }) };
}

const DELETED: AttemptEnd = {
  reason: "JobFailed",
  kind: "interruption",
  permanent: false,
  detail: "the Job was deleted",
};

const CANCELLED = cancelled("cancelled by the label ion/cancel=true");
