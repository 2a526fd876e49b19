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
import { type ClosedRun, type AttemptEnd, type Run, type RunKey, runId, type Verdict } from "../run/run.ts";
import type { Source } from "../run/source.ts";
import { deferStamp, withoutStamps } from "../run/stamp.ts";
import { closeRun, settleDelivery } from "../settle/settle-message.ts";
import type { Admission } from "../start/admission.ts";
import type { Breakers } from "../start/breakers.ts";
import { startAttempt } from "../start/start-attempt.ts";
import type { Events } from "../telemetry/events.ts";

/** What a trigger's hands hold of a message. The rest is peeked at: hosts rename property keys and parse ids on the way. */
export interface Delivery {
  readonly sequenceNumber: number;
  readonly lockToken: string;
}

/** A delivery, and the message as the bus itself holds it. */
interface Held {
  readonly key: RunKey;
  readonly lockToken: string;
  readonly message: PeekedMessage;
}

/** What became of one delivery. `left`: nothing was settled; the lock lapses, which is a natural pause, and the message comes again. */
export type AcceptOutcome = "dispatched" | "waiting" | "rejected" | "deferred" | "settled" | "left";

/** Time that the trigger has to defer and start before the timer looks after an accepted run. */
const TRIGGER_TIME_MS = 15_000;

/**
 * Takes on one delivered message: row, then defer, then Job, then row. Whatever a delivery meets half done, it goes on from there. Whoever
 * inserts the row decides: a message that was accepted once is never judged again, whatever the module files say by now.
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
      const about = { runId: runId(key), messageId: message.messageId };
      return await meet({ key, lockToken: delivery.lockToken, message }, events.about(about));
    } catch (error) {
      // Returning lets the lock lapse. Throwing would have the host abandon at once: a tight loop that burns the delivery count.
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

  /** The insert is the look for the row: where there is one, it fails, and what was judged just now counts for nothing. */
  async function meet(held: Held, events: Events): Promise<AcceptOutcome> {
    await instanceTable.registerSource(held.key.source);
    const run = judge(deps, held);
    let stored: StoredRun;
    try {
      // guard: row-before-defer, row
      stored = await table.insert(run);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      return meetAgain(held, events);
    }
    events.tell({ event: run.verdict ? "rejected" : "accepted", run });
    return goOn(stored, held, events);
  }

  /** The message has a row: an earlier delivery's, or another one's that was faster. */
  async function meetAgain(held: Held, events: Events): Promise<AcceptOutcome> {
    const found = await table.find(held.key);
    switch (found.kind) {
      case "open":
        return goOn(found.stored, held, events);
      case "closed":
        return settleAgain(found.run, found.etag, held, events);
      case "none":
        events.log.warn("left a message: its number belongs to an open run of an earlier entity of the same name");
        return "left";
      default:
        return found satisfies never;
    }
  }

  async function goOn(stored: StoredRun, held: Held, events: Events): Promise<AcceptOutcome> {
    const { run } = stored;
    if (run.status === "settling" && run.verdict) return carryOut(stored, run.verdict, held, events);
    // guard: row-before-defer, defer
    await broker.defer(run.source, held.lockToken, deferStamp(run, await instanceTable.owner()));
    // From here on nothing may throw to the host, and nothing needs to: the timer finishes what is left.
    return run.status === "accepted" ? begin(stored, held.message, events) : "deferred";
  }

  /** The message is deferred: starts the first attempt, or leaves it to wait its turn. */
  async function begin(stored: StoredRun, message: PeekedMessage, events: Events): Promise<AcceptOutcome> {
    const module = startableModule(deps.modules, stored.run);
    try {
      await breakers.refreshIfOld();
      if (!module || breakers.tripOf(module) || !(await admission.admits(module))) return await wait(stored);
      const started = await startAttempt(deps, stored, module, message);
      switch (started.kind) {
        case "dispatched":
          events.tell({ event: "dispatched", run: started.stored.run });
          return "dispatched";
        case "moved on":
          return "deferred";
        case "quota":
          return await wait(stored);
        case "cluster away":
          events.log.warn("left a deferred message to the timer", { why: errorText(started.error) });
          return "deferred";
        case "ended":
          return await end(stored, started.end, events);
        default:
          return started satisfies never;
      }
    } catch (error) {
      events.log.warn("left a deferred message to the timer", { why: errorText(error) });
      return "deferred";
    }
  }

  async function wait(stored: StoredRun): Promise<AcceptOutcome> {
    await table.update(stored, awaitStart(stored.run, clock.now()));
    return "waiting";
  }

  /** The attempt ended before it had a Job. The timer settles it. */
  async function end(stored: StoredRun, end: AttemptEnd, events: Events): Promise<AcceptOutcome> {
    const policy = deps.modules.get(stored.run.module)?.retry;
    if (!policy) return wait(stored);
    const counted = await breakers.noteFailure(stored.run, end, events);
    events.tell({ event: "attempt ended", run: stored.run, end: counted });
    const now = clock.now();
    await table.update(stored, nextRow(stored.run, afterEnding(stored.run, counted, policy, now), now));
    return "waiting";
  }

  /** A verdict is recorded and the message is in our hands: carries it out with this delivery's token. */
  async function carryOut(stored: StoredRun, verdict: Verdict, held: Held, events: Events): Promise<AcceptOutcome> {
    await settleDelivery(deps, stored.run, verdict, held);
    // A run that had a Job or a blob still owes something to them: the timer does that, finds the message gone, and closes.
    if (stored.run.jobName === undefined && !stored.run.bodyInBlob) await closeRun(deps, stored, verdict, events);
    return verdict.outcome === "rejected" ? "rejected" : "settled";
  }

  /** Closed, and yet delivered: settled as the row says. A run that was given up as lost goes on instead. */
  async function settleAgain(run: ClosedRun, etag: string, held: Held, events: Events): Promise<AcceptOutcome> {
    if (run.status === "lost") {
      const stored = await table.reopen(etag, reopened(run, clock.now()));
      events.tell({ event: "reopened", run: stored.run });
      return goOn(stored, held, events);
    }
    await settleDelivery(deps, run, run.verdict ?? { outcome: run.status }, held);
    return "settled";
  }

  return accept;
}

/** The run that this message becomes: accepted for its module, or rejected. */
function judge(deps: Dependencies, { key, message }: Held): Run {
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
