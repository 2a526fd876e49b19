import type { Dependencies } from "../dependencies.ts";
import { ConflictError, errorText, LockLostError, UnavailableError } from "../errors.ts";
import type { ClusterGuard } from "../holds/cluster-guard.ts";
import type { SourceHolds } from "../holds/source-holds.ts";
import { goesToStore } from "../jobs/job-spec.ts";
import type { Gates } from "../judge/gates.ts";
import { type Judgement, judge } from "../judge/judge.ts";
import type { Module } from "../modules/module.ts";
import { startableModule } from "../modules/route.ts";
import type { FoundRun, StoredClosedRun, StoredRun } from "../ports/run-table.ts";
import { afterEnding, nextRow } from "../run/after-ending.ts";
import { awaitStart, held, queued, rejected, reopened } from "../run/change-run.ts";
import { gateName } from "../run/gate-state.ts";
import type { PeekedMessage } from "../run/message.ts";
import { newRun, START_TIME_MS } from "../run/new-run.ts";
import { type AttemptEnd, type Run, type RunKey, runId, type Verdict } from "../run/run.ts";
import type { Source } from "../run/source.ts";
import { deferStamp } from "../run/stamp.ts";
import { type DeliveredMessage, deferDelivery, settleDelivery } from "../settle/settle-delivery.ts";
import { closeRun } from "../settle/settle-message.ts";
import type { Admission, TakenSlot } from "../start/admission.ts";
import type { Breakers } from "../start/breakers.ts";
import { makeHoldOnStart } from "../start/hold-on-start.ts";
import type { Limits } from "../start/limits.ts";
import { startAttempt } from "../start/start-attempt.ts";
import type { Events } from "../telemetry/events.ts";

/**
 * What we take of what a trigger is given. The rest comes from the host's link, or is peeked at, because hosts rename
 * property keys and parse ids on the way.
 */
export interface Delivery {
  readonly sequenceNumber: number;
  readonly lockToken: string;
}

/** A free slot of a module, which a run takes to start at once. */
interface Place {
  readonly module: Module;
  readonly slot: TakenSlot;
}

/** What a new message becomes: its first row, the slot that it starts in at once, and what is said of it. */
interface Beginning {
  readonly run: Run;
  readonly place?: Place | undefined;
  readonly tell: () => Promise<void>;
}

/**
 * What became of one delivery. `settling`: its first attempt failed without a Job and no other follows, so a tick will
 * settle the message. `held`: it is deferred, and would be rejected if its gate was not shut. `left`: nothing was
 * settled, so the lock lapses, which is a natural pause, and the message comes again.
 */
export type AcceptOutcome =
  | "dispatched"
  | "waiting"
  | "settling"
  | "rejected"
  | "held"
  | "deferred"
  | "settled"
  | "left";

/**
 * Takes on one delivered message: row, then defer, then Job, then row.
 *
 *   accept              takes the message as it came, or peeks at it, and finds its identity
 *   insertOrFind        judges it (judge/judge.ts), and inserts its row, if the message is new
 *   accepted              it fits a module: accepted, or in line for a slot
 *   takePlace               asks breaker, holds, limits and slots whether its Job may start at once
 *   refused               it fits none: rejected, or held if its gate is shut
 *   followExistingRow     or reads the row that an earlier delivery inserted
 *   deferAndStart       defers the message, on the link that delivered it (settle/settle-delivery.ts)
 *   startFirstAttempt     stores the body, creates the Job, records it (start/start-attempt.ts)
 *   leaveWaiting            or leaves the run to a tick
 *   recordEnd               or records that the attempt ended without a Job
 *   settleNow             a row with a verdict: settles the message on that link, and closes the run
 *   settleClosed        a closed run: settles the message as the row says
 *
 * If a delivery finds something half done, it goes on from there. Only the delivery that inserts the row decides: a
 * message that was accepted once is never judged again, whatever the module files say by now. One that is held was
 * neither accepted nor rejected, and a tick judges it.
 */
export function makeAccept(
  deps: Dependencies,
  admission: Admission,
  breakers: Breakers,
  limits: Limits,
  gates: Gates,
  holds: { readonly cluster: Pick<ClusterGuard, "holdOnStarts">; readonly sources: Pick<SourceHolds, "isHeld"> },
) {
  const { table, instanceTable, broker, hostLink, clock } = deps;
  const holdOnStart = makeHoldOnStart(holds.cluster, limits);

  async function accept(source: Source, delivery: Delivery, events: Events): Promise<AcceptOutcome> {
    try {
      const asItCame = hostLink.message(source, delivery.lockToken);
      const message = asItCame ?? (await broker.peek(source, delivery.sequenceNumber));
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
    const { key, message } = delivered;
    await instanceTable.registerSource(key.source);
    await gates.refreshIfOld();
    const judgement = judge(deps.modules.values(), key.source, message);
    if (!judgement.fits && !gates.isOpen(judgement.scope)) {
      // Here the row is looked for first, because a message that comes once more must not count.
      const found = await table.find(key);
      if (found.kind !== "none") return followExistingRow(found, delivered, events);
    }
    const { run, place, tell } = judgement.fits
      ? await accepted(judgement.module, delivered, events)
      : await refused(judgement, delivered, events);
    try {
      let stored: StoredRun;
      try {
        // guard: row-before-defer, row
        stored = await table.insert(run);
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
        return await followExistingRow(await table.find(key), delivered, events);
      }
      await tell();
      const outcome = await deferAndStart(stored, delivered, events, place);
      return run.status === "waiting" || run.status === "held" ? run.status : outcome;
    } finally {
      place?.slot.release();
    }
  }

  /** The message fits a module. */
  async function accepted(module: Module, delivered: DeliveredMessage, events: Events): Promise<Beginning> {
    const run = firstRow(delivered, module.name);
    const place = await takePlace(run, events);
    const tell = async () => {
      events.tell({ event: "accepted", run });
      await gates.noteAccepted(module, events);
    };
    return { run: place ? run : queued(run, clock.now()), place, tell };
  }

  /** The message is rejected, or held if its gate is shut. */
  async function refused(
    { module, scope, problem }: Judgement & { readonly fits: false },
    delivered: DeliveredMessage,
    events: Events,
  ): Promise<Beginning> {
    const first = firstRow(delivered, module);
    if (await gates.mayReject({ scope, runId: runId(first), problem }, events)) {
      const run = rejected(first, problem);
      return { run, tell: async () => events.tell({ event: "rejected", run }) };
    }
    const run = held(first, module, problem);
    return { run, tell: async () => events.tell({ event: "held", run, gate: gateName(scope) }) };
  }

  function firstRow({ key, message }: DeliveredMessage, module: string): Run {
    const now = clock.now();
    const bodyInBlob = goesToStore(message, deps.bodyAccess);
    return newRun({ key, message, module, bodyInBlob, now, notBefore: now + START_TIME_MS });
  }

  /** Takes the slot of a run that may start at once. Undefined if it has to wait in line. */
  async function takePlace(run: Run, events: Events): Promise<Place | undefined> {
    const module = startableModule(deps.modules, run);
    await breakers.refreshIfOld();
    if (!module || breakers.tripOf(module) || (await holds.sources.isHeld(run.source))) return undefined;
    // A cluster or a table that is away is no reason to leave the message on the bus.
    if ((await holdOnStart(module, events).catch(heldIfAway)) !== undefined) return undefined;
    const slot = await admission.admit(module, run);
    return slot && { module, slot };
  }

  /** The message has a row: an earlier delivery inserted it, or another replica that was faster. */
  async function followExistingRow(
    found: FoundRun,
    delivered: DeliveredMessage,
    events: Events,
  ): Promise<AcceptOutcome> {
    switch (found.kind) {
      case "open":
        return deferAndStart(found.stored, delivered, events);
      case "closed":
        return settleClosed(found, delivered, events);
      case "newer":
        events.log.warn("left a message: a newer release of the Dispatcher has its run");
        return "left";
      case "none":
        events.log.warn("left a message: its row was purged just now");
        return "left";
      default:
        return found satisfies never;
    }
  }

  /** `place`: the slot that the run has. A run that was found has none yet. */
  async function deferAndStart(
    stored: StoredRun,
    delivered: DeliveredMessage,
    events: Events,
    place?: Place,
  ): Promise<AcceptOutcome> {
    const { run } = stored;
    if (run.status === "settling" && run.verdict) return settleNow(stored, run.verdict, delivered, events);
    // guard: row-before-defer, defer
    await deferDelivery(deps, delivered, deferStamp(run, await instanceTable.owner()), events);
    // From here on nothing may throw to the host, and nothing needs to: a tick finishes what is left.
    if (run.status !== "accepted") return "deferred";
    try {
      if (place) return await startFirstAttempt(stored, place.module, delivered.message, events);
      const taken = await takePlace(run, events);
      if (!taken) return await leaveWaiting(stored);
      return await startFirstAttempt(stored, taken.module, delivered.message, events).finally(() =>
        taken.slot.release(),
      );
    } catch (error) {
      events.log.warn("left a deferred message to the timer", { why: errorText(error) });
      return "deferred";
    }
  }

  /** The message is deferred: starts the first attempt. */
  async function startFirstAttempt(
    stored: StoredRun,
    module: Module,
    message: PeekedMessage,
    events: Events,
  ): Promise<AcceptOutcome> {
    const started = await startAttempt(deps, stored, module, message, () => holdOnStart(module, events));
    switch (started.kind) {
      case "dispatched":
        events.tell({ event: "dispatched", run: started.stored.run, by: "delivery" });
        return "dispatched";
      case "moved on":
        return "deferred";
      case "held":
        return leaveWaiting(stored);
      case "quota":
        return leaveWaiting(started.stored);
      case "cluster away":
        events.log.warn("left a deferred message to the timer", { why: errorText(started.error) });
        return "deferred";
      case "not started":
        return recordEnd(started.stored, module, started.end, events);
      default:
        return started satisfies never;
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
    await settleDelivery(deps, stored.run, verdict, delivered, events);
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
    closed: StoredClosedRun,
    delivered: DeliveredMessage,
    events: Events,
  ): Promise<AcceptOutcome> {
    const { run } = closed;
    if (run.status === "lost") {
      const stored = await table.reopen(closed, reopened(run, clock.now()));
      events.tell({ event: "reopened", run: stored.run });
      return deferAndStart(stored, delivered, events);
    }
    await settleDelivery(deps, run, run.verdict ?? { outcome: run.status }, delivered, events);
    return "settled";
  }

  return accept;
}

/** Takes what can't be asked just now for a hold. Throws any other error again. */
function heldIfAway(error: unknown): "away" {
  if (error instanceof UnavailableError) return "away";
  throw error;
}
