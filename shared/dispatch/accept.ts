import type { Dependencies } from "../dependencies.ts";
import { ConflictError, errorText, LockLostError, UnavailableError } from "../errors.ts";
import { fitsInline } from "../jobs/job-spec.ts";
import type { Log } from "../log.ts";
import { checkBody, UNREADABLE_BODY } from "../modules/check-body.ts";
import type { Module } from "../modules/module.ts";
import { route, startableModule } from "../modules/route.ts";
import type { PeekedMessage } from "../ports/message-broker.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { awaitStart, closed, concluded, nextAttempt, reopened } from "../run/change-run.ts";
import { afterEnding } from "../run/decide.ts";
import { type ClosedRun, type Ending, type Run, type RunKey, runId, type Verdict } from "../run/run.ts";
import { type Source, sourceName } from "../run/source.ts";
import { deferStamp, letterProperties, unforged, withoutStamps } from "../run/stamp.ts";
import type { Admission } from "./admission.ts";
import type { Pauses } from "./pauses.ts";
import { startAttempt } from "./start-attempt.ts";

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
export function makeAccept(deps: Dependencies, admission: Admission, pauses: Pauses) {
  const { table, broker, clock } = deps;

  async function accept(source: Source, delivery: Delivery, log: Log): Promise<AcceptOutcome> {
    try {
      const message = await broker.peek(source, delivery.sequenceNumber);
      if (!message) {
        log.warn("left a message: the bus no longer shows it");
        return "left";
      }
      const key: RunKey = { source, sequenceNumber: message.sequenceNumber, enqueuedAt: message.enqueuedAt };
      const about = { runId: runId(key), messageId: message.messageId };
      return await meet({ key, lockToken: delivery.lockToken, message }, log.child(about));
    } catch (error) {
      // Returning lets the lock lapse. Throwing would have the host abandon at once: a tight loop that burns the delivery count.
      if (error instanceof UnavailableError || error instanceof LockLostError || error instanceof ConflictError)
        log.warn("left a message to its next delivery", { why: errorText(error) });
      else
        log.error("left a message to its next delivery", {
          why: errorText(error),
          ...(error instanceof Error && error.stack ? { stack: error.stack } : {}),
        });
      return "left";
    }
  }

  /** The insert is the look for the row: where there is one, it fails, and what was judged just now counts for nothing. */
  async function meet(held: Held, log: Log): Promise<AcceptOutcome> {
    await table.registerSource(held.key.source);
    const run = judge(deps, held);
    let stored: StoredRun;
    try {
      // guard: row-before-defer, row
      stored = await table.insert(run);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      return meetAgain(held, log);
    }
    log.info(run.verdict ? "rejected a message" : "accepted a message", {
      module: run.module,
      ...(run.verdict?.description === undefined ? {} : { why: run.verdict.description }),
    });
    return goOn(stored, held, log);
  }

  /** The message has a row: an earlier delivery's, or another one's that was faster. */
  async function meetAgain(held: Held, log: Log): Promise<AcceptOutcome> {
    const found = await table.find(held.key);
    switch (found.kind) {
      case "open":
        return goOn(found.stored, held, log);
      case "closed":
        return settleAgain(found.run, found.etag, held, log);
      case "none":
        log.warn("left a message: its number belongs to an open run of an earlier entity of the same name");
        return "left";
      default:
        return found satisfies never;
    }
  }

  async function goOn(stored: StoredRun, held: Held, log: Log): Promise<AcceptOutcome> {
    const { run } = stored;
    if (run.status === "settling" && run.verdict) return carryOut(stored, run.verdict, held);
    // guard: row-before-defer, defer
    await broker.defer(run.source, held.lockToken, deferStamp(run, await table.owner()));
    // From here on nothing may throw to the host, and nothing needs to: the timer finishes what is left.
    return run.status === "accepted" ? begin(stored, held.message, log) : "deferred";
  }

  /** The message is deferred: starts the first attempt, or leaves it to wait its turn. */
  async function begin(stored: StoredRun, message: PeekedMessage, log: Log): Promise<AcceptOutcome> {
    const module = startableModule(deps.modules, stored.run);
    try {
      await pauses.refreshIfOld();
      if (!module || pauses.pauseOf(module) || !(await admission.admits(module))) return await wait(stored);
      const started = await startAttempt(deps, stored, module, message);
      switch (started.kind) {
        case "dispatched":
          log.info("started a job", { jobName: started.stored.run.jobName, attempt: started.stored.run.attempt });
          return "dispatched";
        case "moved on":
          return "deferred";
        case "quota":
          return await wait(stored);
        case "cluster away":
          log.warn("left a deferred message to the timer", { why: started.why });
          return "deferred";
        case "ended":
          return await end(stored, started.ending, log);
        default:
          return started satisfies never;
      }
    } catch (error) {
      log.warn("left a deferred message to the timer", { why: errorText(error) });
      return "deferred";
    }
  }

  async function wait(stored: StoredRun): Promise<AcceptOutcome> {
    await table.update(stored, awaitStart(stored.run, clock.now()));
    return "waiting";
  }

  /** The attempt ended before it had a Job. The timer settles it. */
  async function end(stored: StoredRun, ending: Ending, log: Log): Promise<AcceptOutcome> {
    const policy = deps.modules.get(stored.run.module)?.retry;
    if (!policy) return wait(stored);
    log.warn("an attempt ended without a job", { why: ending.detail });
    const counted = await pauses.noteFailure(stored.run, ending, log);
    const next = afterEnding(stored.run, counted, policy, clock.now());
    if (next.do === "retry") await table.update(stored, nextAttempt(stored.run, next));
    if (next.do === "conclude") await table.update(stored, concluded(stored.run, next.verdict, next, clock.now()));
    return "waiting";
  }

  /** A verdict is recorded and the message is in our hands: carries it out with this delivery's token. */
  async function carryOut(stored: StoredRun, verdict: Verdict, held: Held): Promise<AcceptOutcome> {
    await settleLocked(stored.run, verdict, held);
    // A run that had a Job or a blob still owes something to them: the timer does that, finds the message gone, and closes.
    if (stored.run.jobName === undefined && !stored.run.bodyInBlob)
      await table.close(stored, closed(stored.run, verdict, clock.now()));
    return verdict.outcome === "rejected" ? "rejected" : "settled";
  }

  /** Closed, and yet delivered: settled as the row says. A run that was given up as lost goes on instead. */
  async function settleAgain(run: ClosedRun, etag: string, held: Held, log: Log): Promise<AcceptOutcome> {
    if (run.status === "lost") {
      const stored = await table.reopen(etag, reopened(run, clock.now()));
      log.warn("reopened a lost run: its message turned up");
      return goOn(stored, held, log);
    }
    await settleLocked(run, run.verdict ?? { outcome: run.status }, held);
    return "settled";
  }

  async function settleLocked(run: Omit<Run, "status">, verdict: Verdict, held: Held): Promise<void> {
    if (verdict.outcome === "succeeded") return broker.completeLocked(run.source, held.lockToken);
    return broker.deadLetterLocked(run.source, held.lockToken, {
      reason: verdict.reason ?? "JobFailed",
      description: verdict.description ?? "",
      // A settlement by token can't see the message.
      properties: unforged(letterProperties(run, verdict), held.message.properties),
    });
  }

  return accept;
}

/** The run that this message becomes: accepted for its module, or rejected. */
function judge(deps: Dependencies, { key, message }: Held): Run {
  const now = deps.clock.now();
  const module = route(deps.modules.values(), key.source, message);
  const problem = module
    ? bodyProblem(module, message)
    : `no module takes this message: ${sourceName(key.source)} has none whose \`when\` fits its subject and properties`;
  const traceparent = traceparentOf(message);
  const run: Run = {
    ...key,
    status: "accepted",
    module: module?.name ?? "",
    messageId: message.messageId ?? "",
    ...(message.correlationId === undefined ? {} : { correlationId: message.correlationId }),
    ...(message.subject === undefined ? {} : { subject: message.subject }),
    ...(traceparent === undefined ? {} : { traceparent }),
    acceptedAt: now,
    ...(message.expiresAt === undefined ? {} : { expiresAt: message.expiresAt }),
    attempt: 1,
    failures: 0,
    interruptions: 0,
    bodyInBlob: !fitsInline(withoutStamps(message)),
    notBefore: now + TRIGGER_TIME_MS,
    busyCount: 0,
  };
  if (problem === undefined) return run;
  const description = `${runId(key)}: ${problem}`;
  // No Job will ever read it: nothing is stored.
  return {
    ...run,
    bodyInBlob: false,
    status: "settling",
    verdict: { outcome: "rejected", reason: "DispatchRejected", description },
  };
}

function bodyProblem(module: Module, { body, bodyUnreadable }: PeekedMessage): string | undefined {
  return bodyUnreadable ? UNREADABLE_BODY : checkBody(module, body);
}

/** W3C trace context of the sender, under the names that the SDKs and the older convention give it. */
function traceparentOf(message: PeekedMessage): string | undefined {
  const value = message.properties["traceparent"] ?? message.properties["Diagnostic-Id"];
  return typeof value === "string" && /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/.test(value) ? value : undefined;
}
