import type { Fields } from "../log.ts";
import type { LeaveCause } from "../run/decide.ts";
import { CLUSTER_HOLDS } from "../run/run.ts";
import type { DomainEvent } from "./domain-event.ts";
import type { EventReader } from "./events.ts";

/** What one invocation did, for its one log line, which alerts query. */
export interface EventCounts {
  readonly read: EventReader;
  /**
   * How often everything happened. `waiting` counts the runs that were left by cause; those whose Jobs are at work are
   * in `working`.
   */
  fields(): TickFields;
  /** Whether something failed, and nothing was done. */
  isAllFailed(): boolean;
  /** How many messages a delivery completed and dead-lettered, and what it found held, where there is any. */
  ofDelivery(): Fields;
}

/** The counts of a tick's line, and why it left runs, by cause. */
type TickFields = Readonly<
  Record<
    | "started"
    | "completed"
    | "deadLettered"
    | "requeued"
    | "lost"
    | "working"
    | "notStarted"
    | "overdue"
    | "orphans"
    | "orphanJobs"
    | "undelivered"
    | "failed"
    | "held"
    | "postponed"
    | "settled",
    number
  >
> & { readonly waiting: Readonly<Record<string, number>> };

/** A counter of each kind, from 0. */
export function countEvents(): EventCounts {
  const counts = {
    started: 0,
    completed: 0,
    deadLettered: 0,
    requeued: 0,
    lost: 0,
    /** Runs whose Job is at work. */
    working: 0,
    /** Runs whose Job has not started for longer than its module's `startTimeout`, and waits. */
    notStarted: 0,
    /** Dispatched runs whose Job is past the time limit of its pod, and not over: only a person may force it. */
    overdue: 0,
    /** Deferred messages or Jobs that no open run speaks of, those of other instances included. */
    orphans: 0,
    /** Those of them that are Jobs. */
    orphanJobs: 0,
    /** Sources that deliver nothing, though a message is there. */
    undelivered: 0,
    /** What could not be done. */
    failed: 0,
    /** What is held: 1 for the cluster, and 1 for each source. */
    held: 0,
    /** Runs that this tick had no time for. */
    postponed: 0,
  };
  const waiting = new Map<LeaveCause, number>();

  function read(event: DomainEvent): void {
    switch (event.event) {
      case "dispatched":
        counts.started += 1;
        break;
      case "requeued":
        counts.requeued += 1;
        break;
      case "closed":
        if (event.run.status === "succeeded") counts.completed += 1;
        else if (event.run.status === "lost") counts.lost += 1;
        // The letter of a withdrawn run lies where it lay.
        else if (event.run.status !== "withdrawn") counts.deadLettered += 1;
        break;
      case "left":
        if (event.cause === "job-overdue") counts.overdue += 1;
        if (NOT_STARTED.has(event.cause)) counts.notStarted += 1;
        if (AT_WORK.has(event.cause)) counts.working += 1;
        else waiting.set(event.cause, (waiting.get(event.cause) ?? 0) + 1);
        break;
      case "another cluster seen":
      case "cluster changing":
      case "jobs missing":
      case "source held":
        counts.held += 1;
        break;
      case "orphan found":
        counts.orphans += 1;
        if (event.orphan === "job") counts.orphanJobs += 1;
        break;
      case "foreign messages found":
        counts.orphans += event.count;
        break;
      case "undelivered message found":
        counts.undelivered += 1;
        break;
      case "failed":
        counts.failed += 1;
        break;
      case "postponed":
        counts.postponed += 1;
        break;
      // What has its own line, and is no part of an invocation's.
      case "accepted":
      case "rejected":
      case "held":
      case "adopted":
      case "held up":
      case "preempted":
      case "end ordered":
      case "attempt ended":
      case "concluded":
      case "reopened":
      case "rebuilt":
      case "module tripped":
      case "module probed":
      case "module recovered":
      case "module backed up":
      case "module caught up":
      case "module paused":
      case "module limited":
      case "module resumed":
      case "cluster changed":
      case "source released":
      case "gate shut":
      case "gate opened":
      case "settled late":
        break;
      default:
        event satisfies never;
    }
  }

  return {
    read,
    fields: () => ({
      ...counts,
      settled: counts.completed + counts.deadLettered,
      waiting: Object.fromEntries(waiting),
    }),
    isAllFailed() {
      const { started, completed, deadLettered, requeued, lost, failed } = counts;
      return failed > 0 && started + completed + deadLettered + requeued + lost === 0;
    },
    ofDelivery: () => ({
      ...(counts.completed > 0 ? { completed: counts.completed } : {}),
      ...(counts.deadLettered > 0 ? { deadLettered: counts.deadLettered } : {}),
      ...(counts.held > 0 ? { held: counts.held } : {}),
    }),
  };
}

/** Left because there is nothing to do but to let the Job work. Each of them counts towards `maxActive`. */
const AT_WORK: ReadonlySet<LeaveCause> = new Set(["job-at-work", "job-terminating", "job-overdue"]);
const NOT_STARTED: ReadonlySet<LeaveCause> = new Set(CLUSTER_HOLDS);
