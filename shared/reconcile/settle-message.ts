import type { Dependencies } from "../dependencies.ts";
import type { Log } from "../log.ts";
import type { DeferredOutcome } from "../ports/message-broker.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { closed } from "../run/change-run.ts";
import type { Run, Verdict } from "../run/run.ts";
import { isRequeued, letterProperties, requeueStamp } from "../run/stamp.ts";
import type { Tally } from "./tally.ts";

/** Settles the deferred message of a run by its verdict. */
export function settleMessage(deps: Dependencies, run: Run, verdict: Verdict): Promise<DeferredOutcome> {
  if (verdict.outcome === "succeeded") return deps.broker.completeDeferred(run);
  return deps.broker.deadLetterDeferred(run, {
    reason: verdict.reason ?? "JobFailed",
    description: verdict.description ?? "",
    properties: letterProperties(run, verdict),
  });
}

/**
 * The abandon of a requeue: it raises the delivery count and stamps the message, for people who peek. `busy`: somebody holds the message;
 * the only case worth trying again. Where it makes no sense (expired, gone, not deferred) the next start will see that for itself.
 */
export async function noteRequeue(deps: Dependencies, run: Run): Promise<"done" | "busy"> {
  // A receive by number is where an expired message is dropped.
  if (run.expiresAt !== undefined && run.expiresAt <= deps.clock.now()) return "done";
  const message = await deps.broker.peek(run.source, run.sequenceNumber);
  if (message?.state !== "deferred" || message.enqueuedAt !== run.enqueuedAt) return "done";
  if (isRequeued(run, message.properties)) return "done";
  return (await deps.broker.requeueDeferred(run, requeueStamp(run))) === "missing" ? "busy" : "done";
}

/** The last write of a run: its message is settled, or gone. */
export async function closeRun(
  deps: Dependencies,
  stored: StoredRun,
  verdict: Verdict,
  tally: Tally,
  log: Log,
): Promise<void> {
  const { run } = stored;
  // guard: body-before-row, body
  // Before the row is closed, and if it fails the row stays open: so the body goes with its run, and not some time later.
  if (run.bodyInBlob) await deps.payloads.deleteBody(run);
  // guard: body-before-row, row
  await deps.table.close(stored, closed(run, verdict, deps.clock.now()));
  if (verdict.outcome === "succeeded") tally.completed += 1;
  else if (verdict.outcome === "lost") tally.lost += 1;
  else tally.deadLettered += 1;
  const fields = { outcome: verdict.outcome, reason: verdict.reason, attempts: run.attempt };
  if (verdict.outcome === "lost") log.error("closed a run as lost: its message is gone from the bus", fields);
  else log.info("closed a run", fields);
}
