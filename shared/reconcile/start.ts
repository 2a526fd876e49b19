import type { Dependencies } from "../dependencies.ts";
import { isOurs, recordOf } from "../jobs/job-identity.ts";
import { retryOf, runningLimitMs } from "../jobs/run-limits.ts";
import { startableModule } from "../modules/route.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { afterEnding, type Conclude, type Retry } from "../run/after-ending.ts";
import { awaitStart, dispatched, putOff } from "../run/change-run.ts";
import type { Run } from "../run/run.ts";
import { startAttempt } from "../start/start-attempt.ts";
import type { DomainEvent } from "../telemetry/domain-event.ts";
import type { Events } from "../telemetry/events.ts";
import type { Item } from "./item.ts";

/** How long a run waits for a full quota before it asks again. */
const QUOTA_WAIT_MS = 30_000;

/** How long a run that could not be started leaves its slot to others: some ticks. */
const STAND_BACK_MS = 30_000;

/** Starts the Job of a waiting run. `goOn`: what follows if the attempt ends without a Job. */
export async function startJob(
  deps: Dependencies,
  item: Item,
  events: Events,
  goOn: (stored: StoredRun, after: Retry | Conclude) => Promise<Item | undefined>,
): Promise<Item | undefined> {
  const { stored, peeked } = item;
  const module = startableModule(deps.modules, stored.run);
  if (!module || !peeked) return undefined;
  const started = await orStandBack(
    deps,
    item,
    startAttempt(deps, stored, module, peeked, () => item.holdOnStart(module, events)),
  );
  switch (started.kind) {
    case "dispatched":
      events.tell({ event: "dispatched", run: started.stored.run, by: "reconcile" });
      return undefined;
    case "moved on":
      events.tell({ event: "left", cause: "moved-on" });
      await standBack(deps, stored);
      return undefined;
    case "held":
      item.slots.shut(stored.run.module, started.cause);
      events.tell({ event: "left", cause: started.cause });
      // A run of a paused module keeps its place in line. No other run of it takes the slot meanwhile.
      if (started.cause !== "paused") await standBack(deps, stored);
      return undefined;
    case "cluster away":
      // The cluster is not asked once more for each run.
      item.slots.shut(stored.run.module, "cluster");
      events.tell(leftToNextTick(stored.run, started.error));
      return undefined;
    case "quota":
      events.tell({ event: "left", cause: "quota" });
      item.slots.shut(stored.run.module, "quota");
      events.log.info("waiting for quota", { why: started.why });
      await deps.table.update(started.stored, awaitStart(started.stored.run, deps.clock.now() + QUOTA_WAIT_MS));
      return undefined;
    case "not started": {
      const { run } = started.stored;
      const end = await item.breakers.noteFailure(run, started.end, events);
      return goOn(started.stored, afterEnding(run, end, retryOf(run, deps), deps.clock.now()));
    }
    default:
      return started satisfies never;
  }
}

/** Awaits what a run with a slot needs to start. If that fails, the run stands back. */
export async function orStandBack<T>(deps: Dependencies, { slot, stored }: Item, needed: Promise<T>): Promise<T> {
  try {
    return await needed;
  } catch (error) {
    if (slot?.start) await standBack(deps, stored);
    throw error;
  }
}

/**
 * Puts a run that took a slot and could not start back by 30 s, so that it does not block the others under
 * `maxActive`. Errors are ignored: if the row changed, another replica has the run.
 */
export async function standBack(deps: Dependencies, stored: StoredRun): Promise<void> {
  await deps.table.update(stored, putOff(stored.run, deps.clock.now() + STAND_BACK_MS)).catch(() => undefined);
}

/**
 * Records a Job that exists already: an earlier try made it, and its row was lost. From here on it is followed like any
 * other.
 */
export async function adoptJob(deps: Dependencies, item: Item, events: Events): Promise<Item | undefined> {
  const { stored, jobName } = item;
  const { run } = stored;
  const job = await deps.cluster.get(jobName);
  if (!job?.metadata?.uid) return undefined;
  if (!isOurs(job, deps.instance, run, run.attempt)) return { ...item, job: { phase: "foreign" } };
  const next = dispatched(run, recordOf(job), deps.clock.now(), runningLimitMs(job.spec?.template.spec));
  events.tell({ event: "adopted", run: next });
  item.slots.occupy(run);
  return { ...item, stored: await deps.table.update(stored, next) };
}

/** The event of a run that this tick could do no more for. */
export function leftToNextTick({ status }: Run, error: unknown): DomainEvent {
  return { event: "failed", what: "left a run to the next tick", error, fields: { status } };
}
