import pLimit from "p-limit";
import type { Dependencies } from "../dependencies.ts";
import type { ClusterGuard } from "../holds/cluster-guard.ts";
import type { SourceHolds } from "../holds/source-holds.ts";
import { isOurs, isRetired, LABELS, readJobIdentity } from "../jobs/job-identity.ts";
import type { Gates } from "../judge/gates.ts";
import type { Log } from "../log.ts";
import { type ClusterView, jobNameOf } from "../observe/cluster-view.ts";
import type { JobGlance } from "../ports/job-cluster.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { Run } from "../run/run.ts";
import type { Admission } from "../start/admission.ts";
import type { Breakers } from "../start/breakers.ts";
import { makeSlots, type Slots } from "../start/slots.ts";
import { countEvents } from "../telemetry/event-counts.ts";
import { makeEvents } from "../telemetry/events.ts";
import { type StepFacts, takeFurther } from "./advance-all.ts";
import { makeHints } from "./hints.ts";
import type { InHand } from "./in-hand.ts";
import { makePlaces } from "./places.ts";

/** Runs taken further at once. */
const CONCURRENCY = 16;

/** What the runs that a watch wakes are taken further with, while it lasts. */
export interface Wakes {
  /** The watch says that this Job is over, or says an unknown word of it. */
  wake(jobName: string): void;
  /**
   * Ends it: what has not begun is left to the next tick. Resolves, once nothing is in hand any more, to whether that
   * tick has to list the Jobs.
   */
  close(): Promise<boolean>;
}

interface WakeDeps {
  readonly admission: Admission;
  readonly breakers: Breakers;
  readonly gates: Gates;
  readonly holds: {
    readonly cluster: Pick<ClusterGuard, "holdOnStarts">;
    readonly sources: Pick<SourceHolds, "isHeld">;
  };
  readonly inHand: InHand;
}

/**
 * Takes runs further as soon as a watch tells of their Jobs' ends, beside the ticks. An event only wakes: the Job is
 * read, its annotations name the run, the run is read, and then it takes the steps that a tick would take. So an event
 * that is late, or told twice, does no harm.
 *
 * What only a list can tell is left to the next tick that lists: whether a Job is gone, and a Job of which no row speaks
 * yet. So is what fails.
 */
export function makeWakes(deps: Dependencies, { admission, breakers, gates, holds, inHand }: WakeDeps) {
  return function openWakes(log: Log): Wakes {
    const startedAt = deps.clock.read().monotonicMs;
    const counts = countEvents();
    const limit = pLimit(CONCURRENCY);
    // They have a limit of their own, because a wake may wait for a run that is to be started.
    const limitStarts = pLimit(CONCURRENCY);
    /** The Jobs that were told of, and not looked at yet. */
    const told = new Set<string>();
    const underWay = new Set<Promise<void>>();
    let woken = 0;
    let isClosed = false;
    let needsList = false;
    const events = makeEvents(log, [
      counts.read,
      (told) => {
        // Another replica changed the row meanwhile. It may have done so for another reason than this Job's end.
        const hasMovedOn = told.event === "left" && told.cause === "moved-on";
        if (told.event === "failed" || hasMovedOn) needsList = true;
      },
    ]);
    const slots = makeSlots(deps, { wrongCluster: false, breakers, probing: new Set(), admission });
    const slotsThatMove = {
      ...slots,
      vacate(run: Run) {
        slots.vacate(run);
        track(fillPlaceOf(run));
      },
    };
    const fillPlaceOf = makePlaces(deps, { admission, breakers }, inHand, (stored, putDown) =>
      track(limitStarts(() => start(stored)).finally(putDown)),
    );

    /** Does something beside. What it could not do is left to the next tick. */
    function track(work: Promise<void>): void {
      const done = work
        .catch((error: unknown) => events.tell({ event: "failed", what: "left a run to the next tick", error }))
        .finally(() => underWay.delete(done));
      underWay.add(done);
    }

    async function follow(jobName: string): Promise<void> {
      const glance = await deps.cluster.glance(jobName);
      const stored = glance && (await runOf(jobName, glance));
      if (!stored) needsList = true;
      if (!glance || !stored || stored === "none of ours") return;
      if (await isHeld(stored.run)) needsList = true;
      else await step(stored, slotsThatMove, seenAlone(glance));
    }

    async function step(stored: StoredRun, its: Slots, view: ClusterView): Promise<void> {
      await takeFurther(deps, stored, its, factsOf(view), events);
      // A run that waits to ask for its message is left to a tick, and its slot with it.
      its.release(stored.run);
    }

    /**
     * Finds the run that a Job is the present attempt of. Undefined if the rows don't say so yet, or speak of another Job
     * of that name.
     */
    async function runOf(jobName: string, glance: JobGlance): Promise<StoredRun | "none of ours" | undefined> {
      const identity = readJobIdentity(glance);
      const found = identity && (await deps.table.find(identity.key));
      if (!identity || !found || found.kind === "none") return undefined;
      if (found.kind !== "open") return "none of ours";
      const { run } = found.stored;
      // The attempt is over: its Job is told of again, or late.
      if (run.attempt > identity.attempt || run.status === "settling" || isRetired(glance)) return "none of ours";
      const isPresent = isOurs(glance, deps.instance, run, run.attempt) && jobNameOf(run, deps.instance) === jobName;
      const isSameJob = run.jobUid === undefined || run.jobUid === glance.metadata.uid;
      const mayHaveJob = run.status === "dispatched" || run.status === "waiting";
      return isPresent && isSameJob && mayHaveJob ? found.stored : undefined;
    }

    /** Starts a run that has its turn, in the slot of one whose Job is over. */
    async function start(stored: StoredRun): Promise<void> {
      if (isClosed || (await isHeld(stored.run)) || (await holds.cluster.holdOnStarts(events)) !== undefined) return;
      await step(stored, slots, NOTHING_SEEN);
    }

    async function isHeld({ source }: Run): Promise<boolean> {
      return (await holds.sources.isHeld(source)) || (await holds.cluster.holdOnStarts(events)) === "another cluster";
    }

    function factsOf(view: ClusterView): StepFacts {
      return {
        view,
        isListed: false,
        breakers,
        gates,
        hints: makeHints(),
        // A tick counts which messages and entities are missing. Whether the source is held was asked before.
        sources: { isHeld: () => false, looked: () => {}, entityMissing: () => {} },
        isHeld: async () => (await holds.cluster.holdOnStarts(events)) !== undefined,
        // A tick asks for the messages that no peek shows.
        unseen: [],
      };
    }

    return {
      wake(jobName) {
        // What was told twice before it is looked at is looked at once.
        if (told.has(jobName)) return;
        told.add(jobName);
        woken += 1;
        track(
          limit(async () => {
            const putDown = await inHand.takeLater(jobName);
            told.delete(jobName);
            try {
              if (isClosed) needsList = true;
              else await follow(jobName);
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

/** What is seen if only this Job was looked at. */
function seenAlone({ listing, metadata }: JobGlance): ClusterView {
  const isCancelled = metadata.labels?.[LABELS.cancel] === "true";
  return {
    jobs: new Map([[listing.name, listing]]),
    pods: new Map(),
    cancelled: new Set(isCancelled ? [listing.name] : []),
  };
}
