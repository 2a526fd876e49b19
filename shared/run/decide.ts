import type { EpochMs } from "../clock.ts";
import { afterEnding, type Conclude, cancelled, type Retry } from "./after-ending.ts";
import { lastBegun } from "./change-run.ts";
import { TRIGGER_TIME_MS } from "./new-run.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import type { AttemptEnd, OpenStatus, Run, Verdict } from "./run.ts";

/**
 * What the cluster shows of an attempt's Job. The phase is known from a light list. Whether the Job is really absent,
 * why it can't start and why it failed is known only after a look at the Job itself.
 */
export type JobSeen =
  | { readonly phase: "absent"; readonly confirmed: boolean }
  /** `suspect`: the list looks as if the Job could not start, and the Job itself was not looked at yet. */
  | { readonly phase: "pending"; readonly suspect: boolean; readonly stuck?: AttemptEnd }
  | { readonly phase: "running" }
  | { readonly phase: "suspended" }
  /** A condition says how it will end, but its pods are not all gone yet. */
  | { readonly phase: "terminating" }
  | { readonly phase: "succeeded" }
  | { readonly phase: "failed"; readonly end?: AttemptEnd }
  /** A Job that has the attempt's name and is not the attempt's, or that is retired already. */
  | { readonly phase: "foreign" };

/**
 * What the bus shows. `absent`: a peek missed the message. `gone`: two peeks a lock duration apart missed it, and
 * between them the broker said MessageNotFound when it was asked for the message by its number.
 */
export type MessageSeen = "deferred" | "active" | "absent" | "gone";

/** Why a run that could start does not. */
export type WaitCause =
  | "back-off"
  | "max-active"
  | "module-removed"
  /** Its own template keeps the Jobs of the module from starting. */
  | "module-tripped"
  /** So many Jobs are missing that this is more likely the wrong cluster. */
  | "wrong-cluster"
  /** The API server can't be asked. */
  | "cluster"
  | "quota";

/** Why nothing is done about a run just now. */
export type LeaveCause =
  | WaitCause
  /** The trigger that inserted the row is probably just deferring the message. */
  | "trigger-at-work"
  /** The message was not deferred, and will be delivered again. */
  | "redelivery"
  /** The bus shows the message as active, though it was deferred. */
  | "active-though-deferred"
  /** Another receiver holds the message. */
  | "busy"
  | "job-at-work"
  | "job-suspended"
  /** A condition says how the Job will end, but its pods are not all gone yet. */
  | "job-terminating"
  /** Another process changed the row meanwhile. */
  | "moved-on";

export type Slot = { readonly start: true } | { readonly start: false; readonly cause: WaitCause };

export interface Seen {
  readonly run: Run;
  readonly job: JobSeen;
  /** Whether a person labelled a Job of the run `ion/cancel=true`: this attempt's or an earlier one's. */
  readonly cancelled: boolean;
  /** Undefined: not looked at yet. */
  readonly message?: MessageSeen;
  /** Whether the run may start its Job now. Undefined: not asked for yet. */
  readonly slot?: Slot;
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
  /** waiting -> dispatched, by a create. */
  | { readonly do: "start" }
  /** waiting -> dispatched: the Job exists already. */
  | { readonly do: "adopt" }
  /** End the attempt's Job once the row says why. The end is judged when the Job is over. */
  | { readonly do: "end"; readonly end: AttemptEnd }
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
  accepted:   always(arrive),
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

function arrive(seen: Seen): Decision {
  const { run, message, now } = seen;
  if (now < run.notBefore) return leave("trigger-at-work", run.notBefore);
  if (isBelied(seen)) return { do: "trust" };
  switch (message) {
    case undefined:
      return { do: "look", at: "message" };
    case "deferred":
      return { do: "await start" };
    case "active":
      return leave("redelivery");
    case "absent":
      return absent(seen);
    case "gone":
      return LOST;
    default:
      return message satisfies never;
  }
}

function start(seen: Seen): Decision {
  const { run, cancelled: isCancelled, message, slot, retry, now } = seen;
  if (isCancelled) return afterEnding({ ...run, attempt: lastBegun(run) }, CANCELLED, retry, now);
  if (now < run.notBefore) return leave("back-off", run.notBefore);
  if (slot === undefined) return { do: "look", at: "slot" };
  if (!slot.start) return leave(slot.cause);
  if (isBelied(seen)) return { do: "trust" };
  switch (message) {
    case undefined:
      return { do: "look", at: "message" };
    case "deferred":
      return { do: "start" };
    case "active":
      return notDeferred(seen);
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
function notDeferred({ run, now }: Seen): Decision {
  if (run.attempt > 1) return leave("active-though-deferred");
  const until = run.acceptedAt + TRIGGER_TIME_MS;
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
  return running(seen);
}

function running({ run, cancelled: isCancelled }: Seen): Decision {
  // The patch that ends the Job is repeated, because the process that recorded the end may have died before it.
  if (run.endOrdered) return { do: "end", end: run.endOrdered };
  if (isCancelled) return { do: "end", end: CANCELLED };
  return leave("job-at-work");
}

/**
 * A suspended Job waits, as Kueue has it, and is not stuck. It never ends by itself, so a cancelled attempt is over as
 * it is, and the Job stays suspended.
 */
function suspended(seen: Seen): Decision {
  const end = seen.run.endOrdered ?? (seen.cancelled ? CANCELLED : undefined);
  return end ? ended(seen, end) : leave("job-suspended");
}

// guard: terminal-conditions, decision
function linger(): Decision {
  return leave("job-terminating");
}

/** Exit 0 is success, even if the Job was just being ended, because the work is done. */
function succeed({ run: { failures, interruptions } }: Seen): Decision {
  return { do: "conclude", verdict: { outcome: "succeeded" }, failures, interruptions };
}

function fail(seen: Seen): Decision {
  const end = seen.run.endOrdered ?? (seen.job.phase === "failed" ? seen.job.end : undefined);
  return end ? ended(seen, end) : { do: "look", at: "job" };
}

/** The attempt is over. A person who cancels a Job that is ending anyway does not want the work tried again. */
function ended({ run, cancelled: isCancelled, retry, now }: Seen, end: AttemptEnd): Decision {
  return afterEnding(run, isCancelled ? { ...end, kind: "cancel" } : end, retry, now);
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
    case "active":
      return leave("active-though-deferred");
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
  return run.absentSince !== undefined && (message === "deferred" || message === "active");
}

const LOST: Decision = {
  do: "close",
  verdict: { outcome: "lost", description: "the message is gone from the bus, and this instance did not settle it" },
};

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
