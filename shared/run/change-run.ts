import type { EpochMs } from "../clock.ts";
import { describeProblem } from "./describe-end.ts";
import type { AttemptEnd, ClosedRun, Hold, Run, Verdict } from "./run.ts";

const BUSY_FIRST_MS = 10_000;
const BUSY_MAX_MS = 30 * 60_000;

type Clearable =
  | "jobName"
  | "jobUid"
  | "dispatchedAt"
  | "jobOverdueAt"
  | "heldUpBy"
  | "heldUpSince"
  | "endOrdered"
  | "absentSince"
  | "lastError";

/** What a row says of a Job at work. */
const OF_WORK = ["dispatchedAt", "jobOverdueAt", "heldUpBy", "heldUpSince", "endOrdered"] as const;

function clear(run: Run, ...fields: readonly Clearable[]): Run {
  const copy: Record<string, unknown> = { ...run };
  for (const field of fields) delete copy[field];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Only optional fields can be named.
  return copy as unknown as Run;
}

/** -> waiting, as it begins: no slot is free, so that it joins the line before its message is deferred. */
export function queued(run: Run, now: EpochMs): Run {
  return { ...run, status: "waiting", notBefore: now };
}

/** accepted -> waiting: the message is deferred, and the attempt has no Job. */
export function awaitStart(run: Run, notBefore: EpochMs): Run {
  return { ...clear(run, "absentSince"), status: "waiting", notBefore, busyCount: 0 };
}

/**
 * waiting -> accepted: the attempt's Job is about to be created. From here on the run is at work, so that every tick looks
 * whether the Job is there, and no other cluster is taken meanwhile. No tick touches the run before `notBefore`.
 */
export function starting(run: Run, notBefore: EpochMs): Run {
  return { ...awaitStart(run, notBefore), status: "accepted" };
}

/** -> dispatched: this attempt's Job exists. `limitMs`: how long its pod may run, and take to end. */
export function dispatched(
  run: Run,
  job: { readonly name: string; readonly uid: string; readonly createdAt?: EpochMs },
  now: EpochMs,
  limitMs: number,
): Run {
  const createdAt = Math.min(now, job.createdAt ?? now);
  return {
    ...clear(run, "absentSince"),
    status: "dispatched",
    jobName: job.name,
    jobUid: job.uid,
    dispatchedAt: createdAt,
    jobOverdueAt: createdAt + limitMs,
    notBefore: now,
    busyCount: 0,
  };
}

/**
 * Notes that the body is in the store, so that it is deleted with the run. The row doesn't say so yet if the setting
 * PAYLOADS was another one when the message was accepted.
 */
export function bodyStored(run: Run): Run {
  return { ...run, bodyInBlob: true };
}

/**
 * -> the next attempt. If the attempt had a Job, the run is `requeueing` and keeps that Job's name, so that its logs
 * are stored and it is retired. If not, the run simply waits.
 */
export function nextAttempt(
  run: Run,
  next: { end: AttemptEnd; failures: number; interruptions: number; notBefore: EpochMs },
): Run {
  const hadJob = run.status === "dispatched";
  return {
    ...(hadJob ? clear(run, "absentSince", ...OF_WORK) : noJob(run)),
    status: hadJob ? "requeueing" : "waiting",
    attempt: run.attempt + 1,
    failures: next.failures,
    interruptions: next.interruptions,
    notBefore: next.notBefore,
    lastError: next.end.detail,
    busyCount: 0,
  };
}

/** requeueing -> waiting: the last attempt is behind it. */
export function requeued(run: Run): Run {
  return { ...noJob(run), status: "waiting", busyCount: 0 };
}

/** -> settling: the verdict is known. */
export function concluded(
  run: Run,
  verdict: Verdict,
  counts: { failures: number; interruptions: number },
  now: EpochMs,
): Run {
  return {
    ...clear(run, "absentSince", "endOrdered", "heldUpBy", "heldUpSince"),
    status: "settling",
    // The first attempt's number stays, because a Job that was made and never recorded has it in its name.
    attempt: verdict.outcome === "cancelled" ? Math.max(1, lastBegun(run)) : run.attempt,
    verdict,
    failures: counts.failures,
    interruptions: counts.interruptions,
    notBefore: now,
    busyCount: 0,
    ...(verdict.description === undefined ? {} : { lastError: verdict.description }),
  };
}

/** -> settling before any attempt: no Job can ever work on the message, so nothing of it is stored. */
export function rejected(run: Run, problem: string): Run {
  const description = describeProblem(run, problem);
  return {
    ...clear(run, "absentSince", "lastError"),
    bodyInBlob: false,
    status: "settling",
    verdict: { outcome: "rejected", reason: "DispatchRejected", description },
  };
}

/** -> held, for this module, or for none: the message would be rejected because of this problem. */
export function held(run: Run, module: string, problem: string): Run {
  return { ...run, status: "held", module, lastError: problem };
}

/** held -> waiting: the message fits this module after all, and is accepted now. It joins the line. */
export function released(run: Run, module: string, now: EpochMs): Run {
  return { ...clear(run, "absentSince", "lastError"), status: "waiting", module, acceptedAt: now, notBefore: now };
}

/**
 * Says which attempt a cancelled run ends with, 0 if none has begun. A run that waits or is held, or whose last Job is
 * being retired, counts the next attempt already.
 */
export function lastBegun(run: Run): number {
  const isBetween = run.status === "requeueing" || run.status === "waiting" || run.status === "held";
  return isBetween ? run.attempt - 1 : run.attempt;
}

/**
 * Another receiver holds the message: try later, twice as late each time, so that retries don't eat its delivery count.
 */
export function busy(run: Run, now: EpochMs): Run {
  const waitMs = Math.min(BUSY_MAX_MS, BUSY_FIRST_MS * 2 ** Math.min(run.busyCount, 20));
  return {
    ...clear(run, "absentSince"),
    notBefore: Math.max(run.notBefore, now + waitMs),
    busyCount: run.busyCount + 1,
  };
}

/** Notes when a peek first missed the message, and puts the run off by a lock duration. */
export function doubted(run: Run, now: EpochMs, lockDurationMs: number): Run {
  return { ...run, absentSince: now, notBefore: now + lockDurationMs };
}

/** Forgets the doubt, because the message was seen after all: the next peek that misses it is a first one again. */
export function undoubted(run: Run): Run {
  return clear(run, "absentSince");
}

/** Puts the run off: nothing is done about it before `notBefore`. */
export function putOff(run: Run, notBefore: EpochMs): Run {
  return { ...run, notBefore };
}

/** Notes what keeps the attempt's Job from starting, or that nothing does any more. */
export function heldUp(run: Run, hold: Hold | undefined): Run {
  if (hold === undefined) return clear(run, "heldUpBy", "heldUpSince");
  return { ...run, heldUpBy: hold.cause, heldUpSince: hold.since, lastError: hold.detail };
}

/** Notes until when the Job's pod may run, because it started late. */
export function limited(run: Run, limitAt: EpochMs): Run {
  return { ...run, jobOverdueAt: limitAt };
}

/** Records why the Dispatcher itself ends the attempt's Job. */
export function orderEnd(run: Run, end: AttemptEnd, logsUrl: string | undefined): Run {
  return { ...run, endOrdered: end, ...(logsUrl === undefined ? {} : { logsUrl }) };
}

export function closed(run: Run, verdict: Verdict, now: EpochMs): ClosedRun {
  return { ...run, status: verdict.outcome, verdict, closedAt: now, ...(run.status === "held" && { wasHeld: true }) };
}

/**
 * Reopens a run that was closed as lost, because its message turned up. It goes on with the Job that was at work when it
 * was closed. If the row knows of none, it has a new attempt all the same, because a Job may have been made that the row
 * was never told of, and its name may be free again. A run that was held is held again, to be judged.
 */
export function reopened(run: ClosedRun, now: EpochMs): Run {
  const { closedAt: _, verdict: __, wasHeld, ...rest } = run;
  const fresh = { notBefore: now, busyCount: 0 };
  if (wasHeld === true) return { ...noJob({ ...rest, status: "held" }), ...fresh };
  if (run.dispatchedAt !== undefined) return { ...rest, status: "dispatched", ...fresh };
  return { ...noJob({ ...rest, status: "accepted" }), attempt: run.attempt + 1, ...fresh };
}

function noJob(run: Run): Run {
  return clear(run, "jobName", "jobUid", "absentSince", ...OF_WORK);
}
