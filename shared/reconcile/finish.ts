import type { Dependencies } from "../dependencies.ts";
import { lookAtMessage } from "../observe/look-at-message.ts";
import { placeOfMessage } from "../ports/message-broker.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { busy, doubted, orderEnd, requeued } from "../run/change-run.ts";
import { type AttemptEnd, runId } from "../run/run.ts";
import { retireJob, storeLogs } from "../settle/retire-job.ts";
import { closeRun, noteRequeue, settleDeferred } from "../settle/settle-message.ts";
import type { Events } from "../telemetry/events.ts";
import type { Item } from "./item.ts";

/**
 * Ends an attempt's Job from our side. The row says why before the Job is touched, and the logs are kept before the
 * Job's deadline takes the pod. The patch is repeated in each tick until the Job is over, because the process that
 * recorded the end may have died before it.
 */
export async function endJob(deps: Dependencies, item: Item, end: AttemptEnd, events: Events): Promise<undefined> {
  const { stored, jobName } = item;
  const { run } = stored;
  if (!run.endOrdered) {
    events.tell({ event: "end ordered", jobName, end });
    const logsUrl = await storeLogs(deps, run, run.attempt, { name: jobName }, events.log);
    // guard: end-ordered-first
    await deps.table.update(stored, orderEnd(run, end, logsUrl));
  } else if (end.kind === "cancel") {
    // A person orders it by one write, which stores no log. The pod goes with the end, and its log with it.
    const logsUrl = await storeLogs(deps, run, run.attempt, { name: jobName }, events.log);
    if (logsUrl !== undefined && logsUrl !== run.logsUrl) await deps.table.update(stored, orderEnd(run, end, logsUrl));
  }
  if (run.jobUid !== undefined) await deps.cluster.end(jobName, run.jobUid);
}

/** Puts the last attempt behind a run: its Job is retired, and its message stamped. */
export async function requeueRun(deps: Dependencies, item: Item, events: Events): Promise<undefined> {
  const stored = await retireJobOf(deps, item, item.stored.run.attempt - 1, events);
  const { run } = stored;
  const now = deps.clock.now();
  if ((await noteRequeue(deps, run)) === "busy") {
    await deps.table.update(stored, busy(run, deps.clock.now()));
    return;
  }
  await deps.table.update(stored, requeued(run));
  events.tell({ event: "requeued", run, waitMs: Math.max(0, run.notBefore - now) });
}

/**
 * Carries out a recorded verdict: retires the Job, settles the message, closes the run. A run that never had a Job may
 * have got its verdict before its message was deferred, and then another instance may have deferred it.
 */
export async function settleRun(deps: Dependencies, item: Item, events: Events): Promise<Item | undefined> {
  const { verdict } = item.stored.run;
  if (!verdict) throw new Error(`run ${runId(item.stored.run)} is settling without a verdict`);
  if (item.stored.run.jobName === undefined && item.peeked === undefined) {
    const sighting = await lookAtMessage(deps, item.stored.run);
    if (sighting.message === "foreign") return { ...item, ...sighting };
  }
  const stored = await retireJobOf(deps, item, item.stored.run.attempt, events);
  const outcome = await settleDeferred(deps, stored.run, verdict);
  // guard: not-found-is-not-gone
  // Either an earlier try settled the message and its reply was lost, or another receiver holds it. A peek tells, and
  // `decide` is asked again.
  if (outcome === "missing") return { ...item, ended: undefined, stored, ...(await lookAtMessage(deps, stored.run)) };
  await closeRun(deps, stored, verdict, events);
  return undefined;
}

/**
 * Asks for a message that no peek shows by its number, and gives it back. It counts as gone only if the broker doesn't
 * find it either, and the next peek misses it too.
 */
export async function receiveMessage(deps: Dependencies, item: Item): Promise<Item | undefined> {
  const { run } = item.stored;
  const received = await deps.broker.requeueDeferred(placeOfMessage(run), {});
  const sighting = await lookAtMessage(deps, run);
  if (sighting.message !== "absent") return { ...item, ...sighting };
  if (received === "missing") return { ...item, message: "gone" };
  // The broker handed it out, and yet no peek shows it: the doubt begins anew.
  await deps.table.update(item.stored, doubted(run, deps.clock.now(), deps.lockDurationMs));
  return undefined;
}

/** Retires the Job that a run still has to put away, if it has one, with the link to its logs in the row. */
async function retireJobOf(
  deps: Dependencies,
  { stored, ended }: Item,
  attempt: number,
  events: Events,
): Promise<StoredRun> {
  const { run } = stored;
  if (run.jobName === undefined) return stored;
  let kept = stored;
  await retireJob(deps, run, attempt, { name: run.jobName, uid: run.jobUid, ended }, events.log, async (logsUrl) => {
    // guard: verdict-first, logs
    kept = await deps.table.update(stored, { ...run, logsUrl });
  });
  return kept;
}
