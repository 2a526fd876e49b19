import type { Dependencies } from "../dependencies.ts";
import { letterOfWithdrawn } from "../observe/letter-of-withdrawn.ts";
import { type DeadLetter, type DeferredOutcome, placeOfMessage } from "../ports/message-broker.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { closed } from "../run/change-run.ts";
import { letterReason } from "../run/dead-letter.ts";
import type { Run, Verdict } from "../run/run.ts";
import { isRequeued, letterProperties, redrivesOf, requeueStamp, unforged } from "../run/stamp.ts";
import type { Events } from "../telemetry/events.ts";

/** A message that can be settled: on the link of its delivery, by its lock token, or by its number. */
export interface Settleable<Outcome> {
  complete(): Promise<Outcome>;
  deadLetter(letter: DeadLetter): Promise<Outcome>;
}

/** Settles a message by its run's verdict: success completes it, all else dead-letters it with the facts. */
export function settle<Outcome>(
  run: Omit<Run, "status">,
  verdict: Verdict,
  message: Settleable<Outcome>,
): Promise<Outcome> {
  if (verdict.outcome === "succeeded") return message.complete();
  return message.deadLetter({
    reason: letterReason(verdict),
    description: verdict.description ?? "",
    properties: letterProperties(run, verdict),
  });
}

/**
 * Settles the deferred message of a run by its number. A letter that was redriven lies in the dead letter queue already:
 * if it failed again, it stays there, with new stamps.
 */
export function settleDeferred(
  { broker }: Pick<Dependencies, "broker">,
  run: Run,
  verdict: Verdict,
): Promise<DeferredOutcome> {
  return settle(run, verdict, {
    complete: () => broker.completeDeferred(placeOfMessage(run)),
    deadLetter: (letter) =>
      run.redrive === undefined ? broker.deadLetterDeferred(run, letter) : stampLetter(broker, run, letter),
  });
}

/**
 * Stamps a redriven letter with how its run ended, unless an earlier try did. Whether the service then shows it as
 * deferred or as active makes no difference: the next redrive takes either.
 */
async function stampLetter(
  broker: Dependencies["broker"],
  run: Run,
  { properties }: DeadLetter,
): Promise<DeferredOutcome> {
  const place = placeOfMessage(run);
  const letter = await broker.peek(place.source, place.sequenceNumber);
  const isStamped = letter?.enqueuedAt === place.enqueuedAt && redrivesOf(letter) >= (run.redrive ?? 0);
  return isStamped ? "done" : await broker.requeueDeferred(place, unforged(properties, letter?.properties ?? {}));
}

/**
 * Abandons the message for a requeue: that raises its delivery count and stamps it, for people who peek. Resolves to
 * `busy` if another receiver holds the message, which is the only case worth trying again. If the abandon makes no
 * sense because the message is expired, gone or not deferred, the next start will see that itself.
 */
export async function noteRequeue(deps: Dependencies, run: Run): Promise<"done" | "busy"> {
  // No delivery counts in a dead letter queue.
  if (run.redrive !== undefined) return "done";
  // The service drops an expired message when it is received by its number.
  if (run.expiresAt !== undefined && run.expiresAt <= deps.clock.now()) return "done";
  const message = await deps.broker.peek(run.source, run.sequenceNumber);
  if (message?.state !== "deferred" || message.enqueuedAt !== run.enqueuedAt) return "done";
  if (isRequeued(run, message.properties)) return "done";
  return (await deps.broker.requeueDeferred(run, requeueStamp(run))) === "missing" ? "busy" : "done";
}

/** Closes a run, whose message is settled or gone. This is its last write. */
export async function closeRun(deps: Dependencies, stored: StoredRun, verdict: Verdict, events: Events): Promise<void> {
  const { run } = stored;
  const over = closed(run, verdict, deps.clock.now());
  // guard: body-before-row, body
  // The body is deleted before the row is closed. If that fails, the row stays open, so that the body goes with its run
  // and not some time later.
  if (run.bodyInBlob) await deps.payloads.deleteBody(run);
  // guard: body-before-row, row
  await deps.table.close(stored, over, await letterOfWithdrawn(deps.table, over));
  events.tell({ event: "closed", run: over });
}
