import pLimit from "p-limit";
import type { Dependencies } from "../dependencies.ts";
import type { ClusterGuard } from "../holds/cluster-guard.ts";
import type { SourceHolds } from "../holds/source-holds.ts";
import { isOurs, isRetired, readJobIdentity } from "../jobs/job-identity.ts";
import type { Gates } from "../judge/gates.ts";
import type { Log } from "../log.ts";
import type { ClusterView } from "../observe/cluster-view.ts";
import type { JobOwners } from "../observe/job-owners.ts";
import { type JobLook, lookAtCompleteJob, lookAtJob } from "../observe/look-at-job.ts";
import type { JobListing } from "../ports/job-cluster.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { Run } from "../run/run.ts";
import type { Admission } from "../start/admission.ts";
import type { Breakers } from "../start/breakers.ts";
import { makeHoldOnStart } from "../start/hold-on-start.ts";
import type { Limits } from "../start/limits.ts";
import { makeSlots, type Slots } from "../start/slots.ts";
import { countEvents } from "../telemetry/event-counts.ts";
import { makeEvents } from "../telemetry/events.ts";
import type { RecentEndsCount } from "../telemetry/recent-ends.ts";
import { type StepFacts, takeFurther } from "./advance-all.ts";
import { makeFreedSlots } from "./freed-slots.ts";
import { makeHints } from "./hints.ts";
import type { InHand } from "./in-hand.ts";

/** Runs taken further at once. */
const CONCURRENCY = 16;

/** What the runs that a watch wakes are taken further with, while it lasts. */
export interface Wakes {
  /** The watch says that this Job is over, or says an unknown word of it. */
  wake(told: JobListing): void;
  /**
   * Ends it: what has not begun is left to the next tick. Resolves, once nothing is in hand any more, to whether that
   * tick has to list the Jobs.
   */
  close(): Promise<boolean>;
}

interface WakeDeps {
  readonly admission: Admission;
  readonly breakers: Breakers;
  readonly limits: Limits;
  readonly gates: Gates;
  readonly holds: {
    readonly cluster: Pick<ClusterGuard, "holdOnStarts">;
    readonly sources: Pick<SourceHolds, "isHeld">;
  };
  readonly inHand: InHand;
  readonly owners: JobOwners;
  readonly ends: RecentEndsCount;
}

/**
 * Takes runs further as soon as a watch tells of their Jobs' ends, beside the ticks. An event only wakes: the Job's run is
 * read, the cluster is asked how the Job ended, and then the run takes the steps that a tick would take. So an event
 * that is late, told twice or wrong does no harm.
 *
 * Such an end costs the API server three requests if the Job is complete: its pods (which prove it), the log of each
 * container that started, and the patch that retires the Job. A failed Job is read as well, because only its condition
 * tells why it failed. That answer has the message's body in it, and comes once in a failed attempt. If another replica
 * started the Job since the last tick, the Job is glanced at, too, because only its annotations name its run then.
 *
 * What only a list can tell is left to the next tick that lists: whether a Job is gone, and a Job of which no row speaks
 * yet. So is what fails.
 */
export function makeWakes(deps: Dependencies, wakeDeps: WakeDeps) {
  const { admission, breakers, limits, gates, holds, inHand, owners, ends } = wakeDeps;
  const holdOnStart = makeHoldOnStart(holds.cluster, limits);
  return function openWakes(log: Log): Wakes {
    const startedAt = deps.clock.read().monotonicMs;
    const counts = countEvents();
    const limit = pLimit(CONCURRENCY);
    // They have a limit of their own, because a wake may wait for a run that is to be started.
    const limitStarts = pLimit(CONCURRENCY);
    /** The Jobs that were told of, and not looked at yet. */
    const told = new Map<string, JobListing>();
    const underWay = new Set<Promise<void>>();
    let woken = 0;
    let isClosed = false;
    let needsList = false;
    const events = makeEvents(log, [
      counts.read,
      owners.note,
      ends.read,
      (happened) => {
        // Another replica changed the row meanwhile. It may have done so for another reason than this Job's end.
        const hasMovedOn = happened.event === "left" && happened.cause === "moved-on";
        if (happened.event === "failed" || hasMovedOn) needsList = true;
      },
    ]);
    const slots = makeSlots(deps, { wrongCluster: false, breakers, limits, probing: new Set(), admission });
    const slotsThatMove = {
      ...slots,
      vacate(run: Run) {
        slots.vacate(run);
        track(fillSlotOf(run));
      },
    };
    const fillSlotOf = makeFreedSlots(deps, { admission, breakers, limits }, inHand, (stored, putDown) =>
      track(limitStarts(() => start(stored)).finally(putDown)),
    );

    /** Does something beside. What it could not do is left to the next tick. */
    function track(work: Promise<void>): void {
      const done = work
        .catch((error: unknown) => events.tell({ event: "failed", what: "left a run to the next tick", error }))
        .finally(() => underWay.delete(done));
      underWay.add(done);
    }

    async function follow({ name, state }: JobListing): Promise<void> {
      const stored = (await knownRunOf(name)) ?? (await runNamedBy(name));
      if (stored === "none of ours") return;
      if (!stored || (await isHeld(stored.run))) {
        needsList = true;
        return;
      }
      const look = await (state === "complete" ? lookAtCompleteJob : lookAtJob)(deps, stored, name);
      if (!look || look.job.phase === "absent") needsList = true;
      if (look) await step(stored, slotsThatMove, look);
    }

    async function step(stored: StoredRun, its: Slots, look?: JobLook): Promise<void> {
      await takeFurther(deps, stored, its, factsOf(look), events);
      // A run that waits to ask for its message is left to a tick, and its slot with it.
      its.release(stored.run);
    }

    /** Finds the run of a Job by what this process knows of it. Undefined if its row says something else by now. */
    async function knownRunOf(jobName: string): Promise<StoredRun | undefined> {
      const owner = owners.ownerOf(jobName);
      const found = owner && (await deps.table.find(owner));
      if (found?.kind !== "open") return undefined;
      const { run } = found.stored;
      return run.status === "dispatched" && run.jobName === jobName ? found.stored : undefined;
    }

    /**
     * Finds the run that a Job names, and is the present attempt of. Undefined if the rows don't say so yet, or speak of
     * another Job of that name, or there is no such Job.
     */
    async function runNamedBy(jobName: string): Promise<StoredRun | "none of ours" | undefined> {
      const glance = await deps.cluster.glance(jobName);
      const identity = glance && readJobIdentity(glance);
      const found = identity && (await deps.table.find(identity.key));
      if (!glance || !identity || !found || found.kind === "none") return undefined;
      if (found.kind !== "open") return "none of ours";
      const { run } = found.stored;
      // The attempt is over: its Job is told of again, or late.
      if (run.attempt > identity.attempt || run.status === "settling" || isRetired(glance)) return "none of ours";
      const isPresent = isOurs(glance, deps.instance, run, run.attempt) && run.jobName === jobName;
      const isSameJob = run.jobUid === undefined || run.jobUid === glance.metadata.uid;
      return run.status === "dispatched" && isPresent && isSameJob ? found.stored : undefined;
    }

    /** Starts a run that has its turn, in the slot of one whose Job is over. */
    async function start(stored: StoredRun): Promise<void> {
      if (isClosed || (await isHeld(stored.run)) || (await holds.cluster.holdOnStarts(events)) !== undefined) return;
      await step(stored, slots);
    }

    async function isHeld({ source }: Run): Promise<boolean> {
      return (await holds.sources.isHeld(source)) || (await holds.cluster.holdOnStarts(events)) === "another cluster";
    }

    function factsOf(look: JobLook | undefined): StepFacts {
      return {
        view: NOTHING_SEEN,
        ...(look ? { look } : {}),
        isListed: false,
        breakers,
        gates,
        hints: makeHints(),
        // A tick counts which messages and entities are missing. Whether the source is held was asked before.
        sources: { isHeld: () => false, looked: () => {}, entityMissing: () => {} },
        holdOnStart,
        // A tick asks for the messages that no peek shows.
        unseen: [],
      };
    }

    return {
      wake(listing) {
        const { name } = listing;
        // What was told twice before it is looked at is looked at once, as it was told last.
        const isWaiting = told.has(name);
        told.set(name, listing);
        if (isWaiting) return;
        woken += 1;
        track(
          limit(async () => {
            const putDown = await inHand.takeLater(name);
            const last = told.get(name) ?? listing;
            told.delete(name);
            try {
              if (isClosed) needsList = true;
              else await follow(last);
            } finally {
              putDown();
            }
          }),
        );
      },

      async close() {
        isClosed = true;
        while (underWay.size > 0) await Promise.all(underWay);
        if (woken > 0)
          log.info("watched", { woken, ...counts.fields(), ms: Math.round(deps.clock.read().monotonicMs - startedAt) });
        return needsList;
      },
    };
  };
}

const NOTHING_SEEN: ClusterView = { jobs: new Map(), pods: new Map(), cancelled: new Set() };
