import type { Dependencies } from "../dependencies.ts";
import { decideNow } from "../observe/known-run.ts";
import { type JobLook, lookAtJob } from "../observe/look-at-job.ts";
import { lookAtMessage } from "../observe/look-at-message.ts";
import { type Conclude, nextRow } from "../run/after-ending.ts";
import { awaitStart, busy, doubted, heldUp, limited, undoubted } from "../run/change-run.ts";
import type { Decision, JobSeen } from "../run/decide.ts";
import type { Run } from "../run/run.ts";
import { closeRun } from "../settle/settle-message.ts";
import type { Events } from "../telemetry/events.ts";
import { endJob, receiveMessage, requeueRun, settleRun } from "./finish.ts";
import { judgeHeld } from "./held.ts";
import type { Item } from "./item.ts";
import { adoptJob, orStandBack, standBack, startJob } from "./start.ts";

/** More steps than any run can take in one tick: from accepted to closed, with every look. */
const MAX_STEPS = 16;

/**
 * Takes one run as far as it goes in this tick: asks `decide`, does what it says, and asks again. Resolves to the run
 * if all that is left is to ask for its message, which no peek shows: `askForMessage` does that once the tick knows how
 * many messages are missing. Rejects with a ConflictError if another process changed the row.
 */
export async function advance(deps: Dependencies, start: Item, events: Events): Promise<Item | undefined> {
  let item: Item | undefined = start;
  for (let step = 0; item && step < MAX_STEPS; step += 1) {
    const decision = decideNow(deps, item);
    if (decision.do === "receive") return item;
    item = await apply(deps, item, decision, events);
  }
  return undefined;
}

/** Does the same with a run whose Job was looked at just now. */
export async function advanceLooked(
  deps: Dependencies,
  start: Item,
  look: JobLook,
  events: Events,
): Promise<Item | undefined> {
  const item = await takeIn(look, start, events);
  return item && advance(deps, item, events);
}

/**
 * Leaves a run alone, because its source is held. Only a Job that its row doesn't know of is recorded, because the run may
 * be closed as lost before it goes on, and then nothing else would tell that a Job of it is at work.
 */
export async function onlyAdopt(deps: Dependencies, item: Item, events: Events): Promise<void> {
  if (decideNow(deps, item).do === "adopt") await adoptJob(deps, item, events);
  events.tell({ event: "left", cause: "source-held" });
}

/** Asks for the message of a run by its number, and goes on with the run as the answer is. */
export async function askForMessage(deps: Dependencies, item: Item, events: Events): Promise<void> {
  const next = await receiveMessage(deps, item);
  if (next) await advance(deps, next, events);
}

/**
 * Carries out one decision. Resolves to what is known then, or to undefined if the run has come as far as it goes for
 * now.
 */
async function apply(
  deps: Dependencies,
  item: Item,
  decision: Exclude<Decision, { do: "receive" }>,
  events: Events,
): Promise<Item | undefined> {
  const { table, clock } = deps;
  const { stored } = item;
  const { run } = stored;
  const save = async (next: Run): Promise<Item> => ({ ...item, stored: await table.update(stored, next) });

  switch (decision.do) {
    case "leave":
      events.tell({ event: "left", cause: decision.cause });
      // A run that took a slot and doesn't start leaves it to others. One whose trigger is at work needs only a moment.
      if (item.slot?.start && decision.cause !== "trigger-at-work") await standBack(deps, stored);
      return undefined;
    case "look":
      return look(deps, item, decision.at, events);
    case "await start":
      return save(awaitStart(run, clock.now()));
    case "judge":
      return judgeHeld(deps, item, events);
    case "start":
      return startJob(deps, item, events, (after, decided) => apply(deps, { ...item, stored: after }, decided, events));
    case "adopt":
      return adoptJob(deps, item, events);
    case "note hold": {
      const next = await save(heldUp(run, decision.hold));
      if (decision.hold) events.tell({ event: "held up", run: next.stored.run, hold: decision.hold });
      return next;
    }
    case "note limit":
      return save(limited(run, decision.limitAt));
    case "end":
      return endJob(deps, item, decision.end, events);
    case "retry": {
      events.tell({ event: "attempt ended", run, end: decision.end });
      const next = await save(nextRow(run, decision, clock.now()));
      item.slots.vacate(run);
      // The Job that was seen was the last attempt's, so a run that waits is looked at afresh in the next tick.
      return next.stored.run.status === "waiting" ? undefined : next;
    }
    case "requeue":
      return requeueRun(deps, item, events);
    case "conclude":
      return concludeRun(deps, item, decision, events);
    case "settle":
      return settleRun(deps, item, events);
    case "wait while busy":
      await save(busy(run, clock.now()));
      return undefined;
    case "doubt":
      events.log.info("a message is not to be seen on the bus; looking again later");
      await save(doubted(run, clock.now(), deps.lockDurationMs));
      return undefined;
    case "trust":
      return save(undoubted(run));
    case "close":
      if (item.message === "gone" && decision.verdict.outcome !== "lost")
        events.log.warn(
          "the message was gone already: settled by an earlier try, expired, or taken by another receiver",
        );
      await closeRun(deps, stored, decision.verdict, events);
      return undefined;
    default:
      return decision satisfies never;
  }
}

/** Finds out one fact more. */
async function look(
  deps: Dependencies,
  item: Item,
  at: "job" | "message" | "slot",
  events: Events,
): Promise<Item | undefined> {
  switch (at) {
    case "job": {
      const found = await lookAtJob(deps, item.stored, item.jobName);
      return found && takeIn(found, item, events);
    }
    case "message": {
      const { run } = item.stored;
      const sighting = await orStandBack(deps, item, lookAtMessage(deps, run));
      item.sources.looked(run, sighting.message === "absent");
      return { ...item, ...sighting };
    }
    case "slot":
      return { ...item, slot: item.slots.take(item.stored.run) };
    default:
      return at satisfies never;
  }
}

/** Takes in what a look at the Job found. Undefined if that is not to be believed. */
async function takeIn(found: JobLook, item: Item, events: Events): Promise<Item | undefined> {
  // guard: full-ticks-believe-absence
  if (found.job.phase === "absent" && !item.isListed) return undefined;
  const cancelled = item.cancelled || found.cancelled;
  return { ...item, job: await learn(found.job, item, events), cancelled, ended: found.ended };
}

/** Lets the module's breaker learn from what was seen of a Job. If the template is to blame, the message is not. */
async function learn(job: JobSeen, { breakers, stored: { run } }: Item, events: Events): Promise<JobSeen> {
  if (job.phase === "pending" && job.stuck)
    return { ...job, stuck: await breakers.noteFailure(run, job.stuck, events) };
  if (job.phase === "running" || job.phase === "succeeded") await breakers.noteStart(run, events);
  if (job.phase !== "failed" || !job.end) return job;
  if (job.end.startFault === undefined && job.end.exitCode !== undefined) await breakers.noteStart(run, events);
  return { ...job, end: await breakers.noteFailure(run, job.end, events) };
}

/** Records the verdict before the bus is touched. */
async function concludeRun(deps: Dependencies, item: Item, decision: Conclude, events: Events): Promise<Item> {
  const next = nextRow(item.stored.run, decision, deps.clock.now());
  // guard: verdict-first, verdict
  const stored = await deps.table.update(item.stored, next);
  // guard: place-moves-with-its-write
  // Only this write frees the slot. A replica whose write fails must not fill it, too.
  item.slots.vacate(next);
  events.tell({ event: "concluded", run: next });
  // The message was seen for an earlier step. Whether it can be settled, the settlement finds out.
  const { message: _, ...rest } = item;
  return { ...rest, stored };
}
