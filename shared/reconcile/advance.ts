import type { EpochMs } from "../clock.ts";
import type { Dependencies } from "../dependencies.ts";
import type { Pauses } from "../dispatch/pauses.ts";
import { startAttempt } from "../dispatch/start-attempt.ts";
import { isOurs } from "../jobs/job-identity.ts";
import type { Log } from "../log.ts";
import { startableModule } from "../modules/route.ts";
import type { PeekedMessage } from "../ports/message-broker.ts";
import type { StoredRun } from "../ports/run-table.ts";
import {
  awaitStart,
  concluded,
  dispatched,
  doubted,
  held,
  nextAttempt,
  putOff,
  requeued,
  undoubted,
  withEnding,
} from "../run/change-run.ts";
import { afterEnding, type Decision, decide, type JobSeen, type MessageSeen, type Room } from "../run/decide.ts";
import { type Run, runId } from "../run/run.ts";
import { lookAtJob } from "./look-at-job.ts";
import { retireJob, storeLogs } from "./retire-job.ts";
import { seeMessage } from "./see-message.ts";
import { closeRun, noteRequeue, settleMessage } from "./settle-message.ts";
import { jobLimitOf, type Rooms, retryOf } from "./snapshot.ts";
import { countLeft, type Tally } from "./tally.ts";

/** How long a run waits for a full quota before it asks again. */
const QUOTA_WAIT_MS = 30_000;

/** How long a run that could not be started leaves its place to others: some ticks. */
const STAND_BACK_MS = 30_000;

/** More steps than any run can take in one tick: from accepted to closed, with every look. */
const MAX_STEPS = 12;

const NO_ROOM: Room = { start: false, cause: "back-off" };

/** One run and what is known of it so far. */
export interface Item {
  readonly stored: StoredRun;
  readonly jobName: string;
  readonly job: JobSeen;
  readonly cancelled: boolean;
  readonly rooms: Rooms;
  readonly pauses: Pauses;
  /** Taken once the run may start but for room. */
  readonly room?: Room;
  readonly message: MessageSeen;
  readonly peeked?: PeekedMessage;
}

/** Takes one run as far as it goes in this tick: asks `decide`, does what it says, and asks again. ConflictError: somebody else moved it. */
export async function advance(deps: Dependencies, start: Item, tally: Tally, log: Log): Promise<void> {
  let item: Item | undefined = start;
  for (let step = 0; item && step < MAX_STEPS; step += 1) {
    item = withRoom(item, deps.clock.now());
    const { stored, job, cancelled, room = NO_ROOM, message } = item;
    const { run } = stored;
    const seen = { run, job, cancelled, room, message, retry: retryOf(run, deps), now: deps.clock.now() };
    item = await apply(deps, item, decide(seen), tally, log);
  }
}

/** Takes room for a run only once its time has come: a back-off must not keep younger ones out. */
function withRoom(item: Item, now: EpochMs): Item {
  const { run } = item.stored;
  const isDue = run.status === "waiting" && now >= run.notBefore && item.job.phase === "absent";
  return item.room || !isDue ? item : { ...item, room: item.rooms.take(run) };
}

/** Carries out one decision. Resolves to what is known then, or to undefined where the run has come as far as it goes for now. */
async function apply(
  deps: Dependencies,
  item: Item,
  decision: Decision,
  tally: Tally,
  log: Log,
): Promise<Item | undefined> {
  const { table, clock } = deps;
  const { stored } = item;
  const { run } = stored;
  const save = async (next: Run): Promise<Item> => ({ ...item, stored: await table.update(stored, next) });

  switch (decision.do) {
    case "leave":
      countLeft(tally, decision.why);
      return undefined;
    case "look":
      return decision.at === "job" ? lookJob(deps, item, log) : lookMessage(deps, item);
    case "await start":
      return save(awaitStart(run, clock.now()));
    case "start":
      return startJob(deps, item, tally, log);
    case "adopt":
      return adoptJob(deps, item, log);
    case "end":
      return endJob(deps, item, decision, log);
    case "retry": {
      log.warn("an attempt ended", { why: decision.ending.detail, kind: decision.ending.kind, attempt: run.attempt });
      const next = await save(nextAttempt(run, decision));
      // What was seen of the Job was the last attempt's: a run that waits is looked at afresh in the next tick.
      return next.stored.run.status === "waiting" ? undefined : next;
    }
    case "requeue":
      return requeueRun(deps, item, tally, log);
    case "conclude":
      log.info("reached a verdict", { outcome: decision.verdict.outcome, ...reasonOf(decision.verdict) });
      // guard: verdict-first, verdict
      return { ...(await save(concluded(run, decision.verdict, decision, clock.now()))), message: "unseen" };
    case "settle":
      return settleRun(deps, item, tally, log);
    case "yield":
      await save(held(run, clock.now()));
      return undefined;
    case "doubt":
      log.warn("a message is not to be seen on the bus; looking again later");
      await save(doubted(run, clock.now(), deps.lockDurationMs));
      return undefined;
    case "close":
      if (decision.verdict.outcome !== "lost")
        log.warn("the message was gone already: settled by an earlier try, expired, or taken by somebody else");
      await closeRun(deps, stored, decision.verdict, tally, log);
      return undefined;
    default:
      return decision satisfies never;
  }
}

async function lookJob(deps: Dependencies, item: Item, log: Log): Promise<Item | undefined> {
  const job = await lookAtJob(deps, item.stored, item.jobName);
  return job && { ...item, job: await weighed(job, item, log) };
}

/** What was seen of a Job, once its module has learnt from it: where the template is to blame, the message is not. */
async function weighed(job: JobSeen, { pauses, stored: { run } }: Item, log: Log): Promise<JobSeen> {
  if (job.phase === "pending" && job.stuck) return { ...job, stuck: await pauses.noteFailure(run, job.stuck, log) };
  if (job.phase === "running") await pauses.noteStart(run, log);
  if (job.phase !== "failed" || !job.ending) return job;
  if (job.ending.startFault === undefined && job.ending.exitCode !== undefined) await pauses.noteStart(run, log);
  return { ...job, ending: await pauses.noteFailure(run, job.ending, log) };
}

async function lookMessage(deps: Dependencies, item: Item): Promise<Item> {
  const { run } = item.stored;
  const sighting = await seeMessage(deps, run);
  const isBelied = sighting.seen !== "absent" && sighting.seen !== "gone" && run.absentSince !== undefined;
  return {
    ...item,
    // Kept, the doubt would have every later look receive the message, and raise its delivery count.
    stored: isBelied ? await deps.table.update(item.stored, undoubted(run)) : item.stored,
    message: sighting.seen,
    ...(sighting.seen === "deferred" ? { peeked: sighting.message } : {}),
  };
}

async function startJob(deps: Dependencies, item: Item, tally: Tally, log: Log): Promise<Item | undefined> {
  const { stored, peeked } = item;
  const module = startableModule(deps.modules, stored.run);
  if (!module || !peeked) return undefined;
  const started = await startAttempt(deps, stored, module, peeked).catch(async (error: unknown) => {
    await standBack(deps, stored);
    throw error;
  });
  switch (started.kind) {
    case "dispatched":
      tally.started += 1;
      log.info("started a job", { jobName: started.stored.run.jobName, attempt: stored.run.attempt });
      return undefined;
    case "moved on":
      countLeft(tally, "moved on");
      await standBack(deps, stored);
      return undefined;
    case "cluster away":
      tally.failed += 1;
      // Don't ask it once per run.
      item.rooms.shut(stored.run.module, "cluster");
      log.warn("left a run to the next tick", { status: stored.run.status, why: started.why });
      return undefined;
    case "quota":
      countLeft(tally, "quota");
      item.rooms.shut(stored.run.module, "quota");
      log.info("waiting for quota", { why: started.why });
      await deps.table.update(stored, putOff(stored.run, deps.clock.now() + QUOTA_WAIT_MS));
      return undefined;
    case "ended": {
      const ending = await item.pauses.noteFailure(stored.run, started.ending, log);
      const next = afterEnding(stored.run, ending, retryOf(stored.run, deps), deps.clock.now());
      return apply(deps, item, next, tally, log);
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
async function adoptJob(deps: Dependencies, item: Item, log: Log): Promise<Item | undefined> {
  const { stored, jobName } = item;
  const { run } = stored;
  const job = await deps.cluster.get(jobName);
  const uid = job?.metadata?.uid;
  if (!job || !uid) return undefined;
  if (!isOurs(job, deps.instance, run, run.attempt)) return { ...item, job: { phase: "foreign" } };
  log.info("adopted a job", { jobName, attempt: run.attempt });
  const next = dispatched(run, { name: jobName, uid }, deps.clock.now(), jobLimitOf(run, deps));
  return { ...item, stored: await deps.table.update(stored, next) };
}

/** Ends an attempt from our side. The row says why before the Job is touched, and the logs are kept before the Job's deadline takes the pod. */
async function endJob(
  deps: Dependencies,
  item: Item,
  { ending }: Decision & { do: "end" },
  log: Log,
): Promise<undefined> {
  const { stored, jobName } = item;
  const { run } = stored;
  if (!run.ending) {
    log.warn("ending a job", { jobName, why: ending.detail });
    // guard: ending-first
    await deps.table.update(stored, withEnding(run, ending, await storeLogs(deps, run, run.attempt, jobName, log)));
  }
  if (run.jobUid !== undefined) await deps.cluster.end(jobName, run.jobUid);
}

async function requeueRun(deps: Dependencies, item: Item, tally: Tally, log: Log): Promise<undefined> {
  const stored = await retireJobOf(deps, item.stored, item.stored.run.attempt - 1, log);
  const { run } = stored;
  if ((await noteRequeue(deps, run)) === "busy") {
    await deps.table.update(stored, held(run, deps.clock.now()));
    return;
  }
  await deps.table.update(stored, requeued(run));
  tally.requeued += 1;
  log.info("requeued a message", { attempt: run.attempt, waitMs: Math.max(0, run.notBefore - deps.clock.now()) });
}

async function settleRun(deps: Dependencies, item: Item, tally: Tally, log: Log): Promise<Item | undefined> {
  const { verdict } = item.stored.run;
  if (!verdict) throw new Error(`run ${runId(item.stored.run)} is settling without a verdict`);
  const stored = await retireJobOf(deps, item.stored, item.stored.run.attempt, log);
  const outcome = await settleMessage(deps, stored.run, verdict);
  // guard: not-found-is-not-gone
  if (outcome === "missing") return lookMessage(deps, { ...item, stored });
  await closeRun(deps, stored, verdict, tally, log);
  return undefined;
}

/** Retires the Job that a run still has to put away, if it has one, with the link to its logs in the row. */
async function retireJobOf(deps: Dependencies, stored: StoredRun, attempt: number, log: Log): Promise<StoredRun> {
  const { run } = stored;
  if (run.jobName === undefined) return stored;
  let kept = stored;
  await retireJob(deps, run, attempt, { name: run.jobName, uid: run.jobUid }, log, async (logsUrl) => {
    // guard: verdict-first, logs
    kept = await deps.table.update(stored, { ...run, logsUrl });
  });
  return kept;
}

function reasonOf(verdict: { readonly reason?: string; readonly description?: string }) {
  return verdict.reason === undefined ? {} : { reason: verdict.reason, why: verdict.description };
}
