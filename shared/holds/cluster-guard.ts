import { isDeepStrictEqual } from "node:util";
import type { Dependencies } from "../dependencies.ts";
import { ConflictError } from "../errors.ts";
import { isJobAbsent, isMassAbsence, mayHaveJob, withoutMovedOn } from "../observe/absence.ts";
import type { ClusterView } from "../observe/cluster-view.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { makeRecent } from "../recent.ts";
import type { Action } from "../run/action.ts";
import {
  afterSight,
  afterTick,
  type ClusterHold,
  type ClusterRecord,
  type ClusterSight,
  holdOf,
} from "../run/cluster-record.ts";
import type { Events } from "../telemetry/events.ts";

/** How often the record is written again after another replica got ahead of it. */
const MAX_TRIES = 5;

type Deps = Pick<Dependencies, "table" | "instanceTable" | "cluster" | "clock" | "namespace">;

/** Makes the next record of the last one, and of what is seen of the cluster. */
type NextRecord = (known: ClusterRecord | undefined, sight: ClusterSight) => ClusterRecord;

/**
 * Knows whether this replica sees the cluster that the instance's Jobs are in, and whether what it sees is to be
 * believed. Each replica compares for itself, because each has a kubeconfig and a connection of its own.
 */
export interface ClusterGuard {
  /**
   * Says why nothing starts just now; undefined if it may. It looks again if the last look is over 10 s old. Rejects
   * with an UnavailableError if table or cluster can't be asked.
   */
  holdOnStarts(events: Events): Promise<ClusterHold | undefined>;
  /**
   * Looks for a tick, which has read the runs that are at work in all sources, and the lists of Jobs after them. The
   * uid is read last, so that lists of another cluster don't pass for ours. Rejects as `holdOnStarts` does.
   */
  look(runs: readonly StoredRun[], view: ClusterView, events: Events): Promise<ClusterHold | undefined>;
}

/** Makes the cluster guard of one replica. */
export function makeClusterGuard(deps: Deps): ClusterGuard {
  const recent = makeRecent<ClusterHold | undefined>(deps.clock);

  async function lookForTrigger(events: Events): Promise<ClusterHold | undefined> {
    const { after, sight } = await recordCluster(deps, afterSight);
    const hold = holdOf(after, sight.uid);
    if (hold === "another cluster" && after.next?.uid !== sight.uid)
      events.tell({ event: "another cluster seen", record: after, sight });
    return hold;
  }

  async function lookForTick(
    runs: readonly StoredRun[],
    view: ClusterView,
    events: Events,
  ): Promise<ClusterHold | undefined> {
    const isAtWork = runs.some(({ run }) => mayHaveJob(run));
    const counted = await withoutMovedOn(deps, runs, view);
    const { before, after, sight } = await recordCluster(deps, (known, seen) =>
      afterTick(known, seen, { isAtWork, areMissing: isMassAbsence(counted, view, known?.doubtedSince) }),
    );
    const hold = holdOf(after, sight.uid);
    if (hold === "another cluster")
      events.tell({ event: after.next ? "cluster changing" : "another cluster seen", record: after, sight });
    else if (before?.uid !== undefined && before.uid !== after.uid)
      events.tell({ event: "cluster changed", record: before, sight });
    if (hold === "jobs missing") {
      const absent = counted.filter(({ run }) => isJobAbsent(run, view)).length;
      events.tell({ event: "jobs missing", absent, namespace: sight.namespace });
    }
    return hold;
  }

  return {
    holdOnStarts: (events) => recent.get(() => lookForTrigger(events)),
    look: (runs, view, events) => recent.renew(() => lookForTick(runs, view, events)),
  };
}

/** What is done about the record if a person has it written. */
interface ByHand {
  readonly action: Action;
  /** Only says whether it would be written. */
  readonly dryRun: boolean;
}

/**
 * Looks at the cluster, and writes the record that `next` makes of it, unless that is the same. If another replica was
 * faster, its record is read, and `next` asked again. Rejects with an UnavailableError.
 */
export async function recordCluster(
  { instanceTable, cluster, clock, namespace }: Omit<Deps, "table">,
  next: NextRecord,
  byHand?: ByHand,
) {
  const sight: ClusterSight = { uid: await cluster.namespaceUid(), namespace, now: clock.now() };
  for (let attempt = 1; ; attempt += 1) {
    const stored = await instanceTable.cluster();
    const before = stored?.record;
    const after = next(before, sight);
    const isWritten = !isDeepStrictEqual(before, after);
    try {
      if (isWritten && byHand?.dryRun !== true) await instanceTable.saveCluster(after, stored?.etag, byHand?.action);
      return { before, after, sight, isWritten };
    } catch (error) {
      if (!(error instanceof ConflictError) || attempt === MAX_TRIES) throw error;
    }
  }
}
