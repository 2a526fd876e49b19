import type { Dependencies } from "../dependencies.ts";
import { ConflictError, errorText, LockLostError, UnavailableError } from "../errors.ts";
import { fitsInline } from "../jobs/job-spec.ts";
import { checkBody, UNREADABLE_BODY } from "../modules/check-body.ts";
import type { Module } from "../modules/module.ts";
import { noModuleTakes, route, startableModule } from "../modules/route.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { afterEnding, nextRow } from "../run/after-ending.ts";
import { awaitStart, reopened } from "../run/change-run.ts";
import type { PeekedMessage } from "../run/message.ts";
import { newRun } from "../run/new-run.ts";
import { type AttemptEnd, type ClosedRun, type Run, type RunKey, runId, type Verdict } from "../run/run.ts";
import type { Source } from "../run/source.ts";
import { deferStamp, withoutStamps } from "../run/stamp.ts";
import { closeRun, settleDelivery } from "../settle/settle-message.ts";
import type { Admission, TakenSlot } from "../start/admission.ts";
import type { Breakers } from "../start/breakers.ts";
import { startAttempt } from "../start/start-attempt.ts";
import type { Events } from "../telemetry/events.ts";

/**
 * What a trigger is given of a message. The rest is peeked at, because hosts rename property keys and parse ids on the
 * way.
 */
export interface Delivery {
  readonly sequenceNumber: number;
  readonly lockToken: string;
}

/** A delivery, and the message as the bus itself shows it. */
interface DeliveredMessage {
  readonly key: RunKey;
  readonly lockToken: string;
  readonly message: PeekedMessage;
}

/**
 * What became of one delivery. `settling`: its first attempt failed without a Job and no other follows, so a tick will
 * settle the message. `left`: nothing was settled, so the lock lapses, which is a natural pause, and the message comes
 * again.
 */
export type AcceptOutcome = "dispatched" | "waiting" | "settling" | "rejected" | "deferred" | "settled" | "left";

/** Time that the trigger has to defer the message and start its Job before a tick looks after an accepted run. */
const TRIGGER_TIME_MS = 15_000;

/**
 * Takes on one delivered message: row, then defer, then Job, then row.
 *
 *   accept              peeks at the message, and finds its identity
 *   insertOrFind        inserts the row, if the message is new: accepted for a module, or rejected
 *   followExistingRow     or reads the row that an earlier delivery inserted
 *   deferAndStart       defers the message with this delivery's lock token
 *   startFirstAttempt     asks breaker and slots, stores the body, creates the Job, records it (start/start-attempt.ts)
 *   leaveWaiting            or leaves the run to a tick
 *   recordEnd               or records that the attempt ended without a Job
 *   settleNow             a row with a verdict: settles the message with this delivery's lock token, and closes the run
 *   settleClosed        a closed run: settles the message as the row says
 *
 * If a delivery finds something half done, it goes on from there. Only the delivery that inserts the row decides: a
 * message that was accepted once is never judged again, whatever the module files say by now.
 */
export function makeAccept(deps: Dependencies, admission: Admission, breakers: Breakers) {
  const { table, instanceTable, broker, clock } = deps;

  async function accept(source: Source, delivery: Delivery, events: Events): Promise<AcceptOutcome> {
    try {
      const message = await broker.peek(source, delivery.sequenceNumber);
      if (!message) {
        events.log.warn("left a message: the bus no longer shows it");
        return "left";
      }
      const key: RunKey = { source, sequenceNumber: message.sequenceNumber, enqueuedAt: message.enqueuedAt };
      const about = events.about({ runId: runId(key), messageId: message.messageId });
      return await insertOrFind({ key, lockToken: delivery.lockToken, message }, about);
    } catch (error) {
      // Returning lets the lock lapse. Throwing would have the host abandon at once: a tight loop that burns the
      // delivery count.
      const why = errorText(error);
      if (error instanceof UnavailableError || error instanceof LockLostError || error instanceof ConflictError)
        events.log.warn("left a message to its next delivery", { why });
      else
        events.log.error("left a message to its next delivery", {
          why,
          ...(error instanceof Error && error.stack ? { stack: error.stack } : {}),
        });
      return "left";
    }
  }

  /**
   * The insert is also the look for the row: if there is one, the insert fails, and what was judged just now counts for
   * nothing.
   */
  async function insertOrFind(delivered: DeliveredMessage, events: Events): Promise<AcceptOutcome> {
    await instanceTable.registerSource(delivered.key.source);
    const run = judge(deps, delivered);
    let stored: StoredRun;
    try {
      // guard: row-before-defer, row
      stored = await table.insert(run);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      return followExistingRow(delivered, events);
    }
    events.tell({ event: run.verdict ? "rejected" : "accepted", run });
    return deferAndStart(stored, delivered, events);
  }

  /** The message has a row: an earlier delivery inserted it, or another replica that was faster. */
  async function followExistingRow(delivered: DeliveredMessage, events: Events): Promise<AcceptOutcome> {
    const found = await table.find(delivered.key);
    switch (found.kind) {
      case "open":
        return deferAndStart(found.stored, delivered, events);
      case "closed":
        return settleClosed(found.run, found.etag, delivered, events);
      case "none":
        events.log.warn(
          "left a message: the entity was recreated, and the old entity's run with the same number is still open",
        );
        return "left";
      default:
        return found satisfies never;
    }
  }

  async function deferAndStart(stored: StoredRun, delivered: DeliveredMessage, events: Events): Promise<AcceptOutcome> {
    const { run } = stored;
    if (run.status === "settling" && run.verdict) return settleNow(stored, run.verdict, delivered, events);
    // guard: row-before-defer, defer
    await broker.defer(run.source, delivered.lockToken, deferStamp(run, await instanceTable.owner()));
    // From here on nothing may throw to the host, and nothing needs to: a tick finishes what is left.
    return run.status === "accepted" ? startFirstAttempt(stored, delivered.message, events) : "deferred";
  }

  /** The message is deferred: starts the first attempt, or leaves the run to wait its turn. */
  async function startFirstAttempt(stored: StoredRun, message: PeekedMessage, events: Events): Promise<AcceptOutcome> {
    const module = startableModule(deps.modules, stored.run);
    let slot: TakenSlot | undefined;
    try {
      await breakers.refreshIfOld();
      if (!module || breakers.tripOf(module)) return await leaveWaiting(stored);
      slot = await admission.admit(module, stored.run);
      if (!slot) return await leaveWaiting(stored);
      const started = await startAttempt(deps, stored, module, message);
      switch (started.kind) {
        case "dispatched":
          events.tell({ event: "dispatched", run: started.stored.run });
          return "dispatched";
        case "moved on":
          return "deferred";
        case "quota":
          return await leaveWaiting(stored);
        case "cluster away":
          events.log.warn("left a deferred message to the timer", { why: errorText(started.error) });
          return "deferred";
        case "not started":
          return await recordEnd(stored, module, started.end, events);
        default:
          return started satisfies never;
      }
    } catch (error) {
      events.log.warn("left a deferred message to the timer", { why: errorText(error) });
      return "deferred";
    } finally {
      slot?.release();
    }
  }

  async function leaveWaiting(stored: StoredRun): Promise<AcceptOutcome> {
    await table.update(stored, awaitStart(stored.run, clock.now()));
    return "waiting";
  }

  /** The attempt ended before it had a Job: another one follows, or a tick settles the message. */
  async function recordEnd(stored: StoredRun, module: Module, end: AttemptEnd, events: Events): Promise<AcceptOutcome> {
    const counted = await breakers.noteFailure(stored.run, end, events);
    events.tell({ event: "attempt ended", run: stored.run, end: counted });
    const now = clock.now();
    const after = afterEnding(stored.run, counted, module.retry, now);
    await table.update(stored, nextRow(stored.run, after, now));
    return after.do === "retry" ? "waiting" : "settling";
  }

  /** The row has a verdict: carries it out with this delivery's lock token. */
  async function settleNow(
    stored: StoredRun,
    verdict: Verdict,
    delivered: DeliveredMessage,
    events: Events,
  ): Promise<AcceptOutcome> {
    await settleDelivery(deps, stored.run, verdict, delivered);
    // A run that had a Job or a blob still owes something to them: a tick does that, finds the message gone, and
    // closes.
    if (stored.run.jobName === undefined && !stored.run.bodyInBlob) await closeRun(deps, stored, verdict, events);
    return verdict.outcome === "rejected" ? "rejected" : "settled";
  }

  /**
   * The run is closed, and its message was delivered all the same: settles it as the row says. A run that was closed as
   * lost goes on instead.
   */
  async function settleClosed(
    run: ClosedRun,
    etag: string,
    delivered: DeliveredMessage,
    events: Events,
  ): Promise<AcceptOutcome> {
    if (run.status === "lost") {
      const stored = await table.reopen(etag, reopened(run, clock.now()));
      events.tell({ event: "reopened", run: stored.run });
      return deferAndStart(stored, delivered, events);
    }
    await settleDelivery(deps, run, run.verdict ?? { outcome: run.status }, delivered);
    return "settled";
  }

  return accept;
}

/** The run that this message becomes: accepted for its module, or rejected. */
function judge(deps: Dependencies, { key, message }: DeliveredMessage): Run {
  const now = deps.clock.now();
  const module = route(deps.modules.values(), key.source, message);
  return newRun({
    key,
    message,
    module: module?.name ?? "",
    bodyInBlob: !fitsInline(withoutStamps(message)),
    now,
    notBefore: now + TRIGGER_TIME_MS,
    problem: module ? bodyProblem(module, message) : noModuleTakes(key.source),
  });
}

function bodyProblem(module: Module, { body, bodyUnreadable }: PeekedMessage): string | undefined {
  return bodyUnreadable ? UNREADABLE_BODY : checkBody(module, body);
}
