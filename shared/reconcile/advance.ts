import type { EpochMs } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import { isOurs } from "../jobs/job-identity.ts";
import { startableModule } from "../modules/route.ts";
import { jobLimitOf, type Slots, retryOf } from "../observe/cluster-view.ts";
import { lookAtJob } from "../observe/look-at-job.ts";
import { lookAtMessage } from "../observe/look-at-message.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { afterEnding, type Conclude, nextRow } from "../run/after-ending.ts";
import { awaitStart, dispatched, doubted, held, putOff, requeued, undoubted, orderEnd } from "../run/change-run.ts";
import { type Decision, decide, type JobSeen, type MessageSeen, type Slot } from "../run/decide.ts";
import type { PeekedMessage } from "../run/message.ts";
import { type Run, runId } from "../run/run.ts";
import { retireJob, storeLogs } from "../settle/retire-job.ts";
import { closeRun, noteRequeue, settleDeferred } from "../settle/settle-message.ts";
import type { Breakers } from "../start/breakers.ts";
import { startAttempt } from "../start/start-attempt.ts";
import type { DomainEvent } from "../telemetry/domain-event.ts";
import type { Events } from "../telemetry/events.ts";

/** How long a run waits for a full quota before it asks again. */
const QUOTA_WAIT_MS = 30_000;

/** How long a run that could not be started leaves its place to others: some ticks. */
const STAND_BACK_MS = 30_000;

/** More steps than any run can take in one tick: from accepted to closed, with every look. */
const MAX_STEPS = 12;

const NO_ROOM: Slot = { start: false, cause: "back-off" };

/** One run and what is known of it so far. */
export interface Item {
  readonly stored: StoredRun;
  readonly jobName: string;
  readonly job: JobSeen;
  readonly cancelled: boolean;
  readonly rooms: Slots;
  readonly breakers: Breakers;
  /** Taken once the run may start but for room. */
  readonly room?: Slot;
  readonly message: MessageSeen;
  readonly peeked?: PeekedMessage;
}

/** Takes one run as far as it goes in this tick: asks `decide`, does what it says, and asks again. ConflictError: somebody else moved it. */
export async function advance(deps: Dependencies, start: Item, events: Events): Promise<void> {
  let item: Item | undefined = start;
  for (let step = 0; item && step < MAX_STEPS; step += 1) {
    item = withRoom(item, deps.clock.now());
    const { stored, job, cancelled, room = NO_ROOM, message } = item;
    const { run } = stored;
    const seen = { run, job, cancelled, room, message, retry: retryOf(run, deps), now: deps.clock.now() };
    item = await apply(deps, item, decide(seen), events);
  }
}

/** Takes room for a run only once its time has come: a back-off must not keep younger ones out. */
function withRoom(item: Item, now: EpochMs): Item {
  const { run } = item.stored;
  const isDue = run.status === "waiting" && now >= run.notBefore && item.job.phase === "absent";
  return item.room || !isDue ? item : { ...item, room: item.rooms.take(run) };
}

/** Carries out one decision. Resolves to what is known then, or to undefined where the run has come as far as it goes for now. */
async function apply(deps: Dependencies, item: Item, decision: Decision, events: Events): Promise<Item | undefined> {
  const { table, clock } = deps;
  const { stored } = item;
  const { run } = stored;
  const save = async (next: Run): Promise<Item> => ({ ...item, stored: await table.update(stored, next) });

  switch (decision.do) {
    case "leave":
      events.tell({ event: "left", cause: decision.cause });
      return undefined;
    case "look":
      return decision.at === "job" ? lookJob(deps, item, events) : lookMessage(deps, item);
    case "await start":
      return save(awaitStart(run, clock.now()));
    case "start":
      return startJob(deps, item, events);
    case "adopt":
      return adoptJob(deps, item, events);
    case "end":
      return endJob(deps, item, decision, events);
    case "retry": {
      events.tell({ event: "attempt ended", run, end: decision.end });
      const next = await save(nextRow(run, decision, clock.now()));
      // What was seen of the Job was the last attempt's: a run that waits is looked at afresh in the next tick.
      return next.stored.run.status === "waiting" ? undefined : next;
    }
    case "requeue":
      return requeueRun(deps, item, events);
    case "conclude":
      return concludeRun(deps, item, decision, events);
    case "settle":
      return settleRun(deps, item, events);
    case "yield":
      await save(held(run, clock.now()));
      return undefined;
    case "doubt":
      events.log.warn("a message is not to be seen on the bus; looking again later");
      await save(doubted(run, clock.now(), deps.lockDurationMs));
      return undefined;
    case "close":
      if (decision.verdict.outcome !== "lost")
        events.log.warn("the message was gone already: settled by an earlier try, expired, or taken by somebody else");
      await closeRun(deps, stored, decision.verdict, events);
      return undefined;
    default:
      return decision satisfies never;
  }
}

async function lookJob(deps: Dependencies, item: Item, events: Events): Promise<Item | undefined> {
  const job = await lookAtJob(deps, item.stored, item.jobName);
  return job && { ...item, job: await weighed(job, item, events) };
}

/** What was seen of a Job, once its module has learnt from it: where the template is to blame, the message is not. */
async function weighed(job: JobSeen, { breakers, stored: { run } }: Item, events: Events): Promise<JobSeen> {
  if (job.phase === "pending" && job.stuck) return { ...job, stuck: await breakers.noteFailure(run, job.stuck, events) };
  if (job.phase === "running") await breakers.noteStart(run, events);
  if (job.phase !== "failed" || !job.end) return job;
  if (job.end.startFault === undefined && job.end.exitCode !== undefined) await breakers.noteStart(run, events);
  return { ...job, end: await breakers.noteFailure(run, job.end, events) };
}

async function lookMessage(deps: Dependencies, item: Item): Promise<Item> {
  const { run } = item.stored;
  const sighting = await lookAtMessage(deps, run);
  const isBelied = sighting.seen !== "absent" && sighting.seen !== "gone" && run.absentSince !== undefined;
  return {
    ...item,
    // Kept, the doubt would have every later look receive the message, and raise its delivery count.
    stored: isBelied ? await deps.table.update(item.stored, undoubted(run)) : item.stored,
    message: sighting.seen,
    ...(sighting.seen === "deferred" ? { peeked: sighting.message } : {}),
  };
}

async function startJob(deps: Dependencies, item: Item, events: Events): Promise<Item | undefined> {
  const { stored, peeked } = item;
  const module = startableModule(deps.modules, stored.run);
  if (!module || !peeked) return undefined;
  const started = await startAttempt(deps, stored, module, peeked).catch(async (error: unknown) => {
    await standBack(deps, stored);
    throw error;
  });
  switch (started.kind) {
    case "dispatched":
      events.tell({ event: "dispatched", run: started.stored.run });
      return undefined;
    case "moved on":
      events.tell({ event: "left", cause: "moved-on" });
      await standBack(deps, stored);
      return undefined;
    case "cluster away":
      // Don't ask it once per run.
      item.rooms.shut(stored.run.module, "cluster");
      events.tell(leftToNextTick(stored.run, started.error));
      return undefined;
    case "quota":
      events.tell({ event: "left", cause: "quota" });
      item.rooms.shut(stored.run.module, "quota");
      events.log.info("waiting for quota", { why: started.why });
      await deps.table.update(stored, putOff(stored.run, deps.clock.now() + QUOTA_WAIT_MS));
      return undefined;
    case "ended": {
      const end = await item.breakers.noteFailure(stored.run, started.end, events);
      const next = afterEnding(stored.run, end, retryOf(stored.run, deps), deps.clock.now());
      return apply(deps, item, next, events);
    }
    default:
      return started satisfies never;
  }
}

/**
 * What keeps this one from starting, a body that can't be stored or takes too long, need not keep the next: it leaves its place under
 * `maxActive` to others for a while. Where its row has changed, somebody else goes on with it; where the table is away, nobody does.
 */
async function standBack(deps: Dependencies, stored: StoredRun): Promise<void> {
  await deps.table.update(stored, putOff(stored.run, deps.clock.now() + STAND_BACK_MS)).catch(() => undefined);
}

/** The Job exists, made by an earlier try whose row was lost: from here on it is followed like any other. */
async function adoptJob(deps: Dependencies, item: Item, events: Events): Promise<Item | undefined> {
  const { stored, jobName } = item;
  const { run } = stored;
  const job = await deps.cluster.get(jobName);
  const uid = job?.metadata?.uid;
  if (!job || !uid) return undefined;
  if (!isOurs(job, deps.instance, run, run.attempt)) return { ...item, job: { phase: "foreign" } };
  const next = dispatched(run, { name: jobName, uid }, deps.clock.now(), jobLimitOf(run, deps));
  events.tell({ event: "adopted", run: next });
  return { ...item, stored: await deps.table.update(stored, next) };
}

/** Ends an attempt from our side. The row says why before the Job is touched, and the logs are kept before the Job's deadline takes the pod. */
async function endJob(
  deps: Dependencies,
  item: Item,
  { end }: Decision & { do: "end" },
  events: Events,
): Promise<undefined> {
  const { stored, jobName } = item;
  const { run } = stored;
  if (!run.endOrdered) {
    events.tell({ event: "end ordered", jobName, end });
    // guard: end-ordered-first
    await deps.table.update(
      stored,
      orderEnd(run, end, await storeLogs(deps, run, run.attempt, jobName, events.log)),
    );
  }
  if (run.jobUid !== undefined) await deps.cluster.end(jobName, run.jobUid);
}

/** Records the verdict. The message is looked at afresh: what was seen of it was another step's. */
async function concludeRun(deps: Dependencies, item: Item, decision: Conclude, events: Events): Promise<Item> {
  const { stored } = item;
  const next = nextRow(stored.run, decision, deps.clock.now());
  // guard: verdict-first, verdict
  const kept = await deps.table.update(stored, next);
  events.tell({ event: "concluded", run: next });
  return { ...item, stored: kept, message: "unseen" };
}

async function requeueRun(deps: Dependencies, item: Item, events: Events): Promise<undefined> {
  const stored = await retireJobOf(deps, item.stored, item.stored.run.attempt - 1, events);
  const { run } = stored;
  if ((await noteRequeue(deps, run)) === "busy") {
    await deps.table.update(stored, held(run, deps.clock.now()));
    return;
  }
  await deps.table.update(stored, requeued(run));
  events.tell({ event: "requeued", run, waitMs: Math.max(0, run.notBefore - deps.clock.now()) });
}

async function settleRun(deps: Dependencies, item: Item, events: Events): Promise<Item | undefined> {
  const { verdict } = item.stored.run;
  if (!verdict) throw new Error(`run ${runId(item.stored.run)} is settling without a verdict`);
  const stored = await retireJobOf(deps, item.stored, item.stored.run.attempt, events);
  const outcome = await settleDeferred(deps, stored.run, verdict);
  // guard: not-found-is-not-gone
  if (outcome === "missing") return lookMessage(deps, { ...item, stored });
  await closeRun(deps, stored, verdict, events);
  return undefined;
}

/** Retires the Job that a run still has to put away, if it has one, with the link to its logs in the row. */
async function retireJobOf(deps: Dependencies, stored: StoredRun, attempt: number, events: Events): Promise<StoredRun> {
  const { run } = stored;
  if (run.jobName === undefined) return stored;
  let kept = stored;
  await retireJob(deps, run, attempt, { name: run.jobName, uid: run.jobUid }, events.log, async (logsUrl) => {
    // guard: verdict-first, logs
    kept = await deps.table.update(stored, { ...run, logsUrl });
  });
  return kept;
}

/** The event of a run that this tick could do no more for. */
export function leftToNextTick({ status }: Run, error: unknown): DomainEvent {
  return { event: "failed", what: "left a run to the next tick", error, fields: { status } };
}
