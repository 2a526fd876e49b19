import type { Fields } from "../log.ts";
import type { ClusterRecord, ClusterSight } from "../run/cluster-record.ts";
import type { LeaveCause } from "../run/decide.ts";
import type { ModuleLimit } from "../run/module-limit.ts";
import type { AttemptEnd, ClosedRun, Hold, Run } from "../run/run.ts";
import type { SourceHold } from "../run/source-hold.ts";

/** What happens, in the words of the domain. `event-lines.ts` says it to people, `event-counts.ts` counts it. */
export type DomainEvent =
  // The life of a run, in order.
  | { readonly event: "accepted"; readonly run: Run }
  /** No Job can ever work on the message: the run has its verdict. */
  | { readonly event: "rejected"; readonly run: Run }
  /** The message would be rejected, and is held at a gate instead. */
  | { readonly event: "held"; readonly run: Run; readonly gate: string }
  /** The attempt's Job was created, and is in the row. If a delivery did it, its own line names the Job. */
  | { readonly event: "dispatched"; readonly run: Run; readonly by: "delivery" | "reconcile" }
  /** The attempt's Job existed already, and is in the row now. */
  | { readonly event: "adopted"; readonly run: Run }
  /** Something else than before keeps the attempt's Job from starting. */
  | { readonly event: "held up"; readonly run: Run; readonly hold: Hold }
  /** The attempt's Job was suspended while it ran, as Kueue preempts it: its pod is gone. */
  | { readonly event: "preempted"; readonly run: Run }
  /** The Dispatcher itself ends the attempt's Job. */
  | { readonly event: "end ordered"; readonly jobName: string; readonly end: AttemptEnd }
  | { readonly event: "attempt ended"; readonly run: Run; readonly end: AttemptEnd }
  | { readonly event: "requeued"; readonly run: Run; readonly waitMs: number }
  /** The verdict is recorded. */
  | { readonly event: "concluded"; readonly run: Run }
  /** The message is settled, or gone, and the run is over. */
  | { readonly event: "closed"; readonly run: ClosedRun }
  /** A run that was closed as lost goes on, because its message turned up. */
  | { readonly event: "reopened"; readonly run: Run }
  /** A row that was lost was made anew from its message. */
  | { readonly event: "rebuilt"; readonly run: Run }

  // What a tick does not do.
  | { readonly event: "left"; readonly cause: LeaveCause }
  /** The tick has no time for the run. */
  | { readonly event: "postponed"; readonly run: Run }
  /** Something could not be done, and is tried again. `what`: the log line, a plain statement. */
  | { readonly event: "failed"; readonly what: string; readonly error: unknown; readonly fields?: Fields }

  // Modules.
  | { readonly event: "module tripped"; readonly module: string; readonly why: string }
  | { readonly event: "module probed"; readonly module: string }
  | { readonly event: "module recovered"; readonly module: string }
  /** So many runs of the module wait to be settled that nothing more of it starts. */
  | { readonly event: "module backed up"; readonly module: string }
  /** They were settled, and its messages start again. */
  | { readonly event: "module caught up"; readonly module: string }

  /** A person paused the module, or the pause changed. */
  | { readonly event: "module paused"; readonly limit: ModuleLimit }
  /** A person changed how many Jobs of the module may be at work. */
  | { readonly event: "module limited"; readonly limit: ModuleLimit }
  /** The pause or limit is over: a person lifted it, or it ended. */
  | { readonly event: "module resumed"; readonly module: string }

  // What is held.
  /** This replica sees another namespace than the recorded one, and does nothing with it. */
  | { readonly event: "another cluster seen"; readonly record: ClusterRecord; readonly sight: ClusterSight }
  /** The same, while no Job is at work: the other namespace is about to be taken. */
  | { readonly event: "cluster changing"; readonly record: ClusterRecord; readonly sight: ClusterSight }
  /** The other namespace was taken. `record`: the old one. */
  | { readonly event: "cluster changed"; readonly record: ClusterRecord; readonly sight: ClusterSight }
  /** So many Jobs are missing that none of them is judged, and none started. */
  | { readonly event: "jobs missing"; readonly absent: number; readonly namespace: string }
  /** The runs of a source neither start nor are judged. */
  | { readonly event: "source held"; readonly source: string; readonly hold: SourceHold }
  | { readonly event: "source released"; readonly source: string }
  // Gates: what the files reject.
  | { readonly event: "gate shut"; readonly gate: string; readonly why: string }
  | { readonly event: "gate opened"; readonly gate: string }

  // What no open run speaks of.
  /** `leftAlone`: the Dispatcher can't tell what is to become of it. */
  | { readonly event: "orphan found"; readonly orphan: "job" | "message"; readonly leftAlone: boolean }
  /** A message was still deferred though its run was closed, and is settled now. */
  | { readonly event: "settled late" }
  /** Deferred messages with another instance's stamp, or with none. */
  | { readonly event: "foreign messages found"; readonly source: string; readonly count: number }

  // What no trigger is given.
  /** The first active message of a source has been there for long, and no delivery of the source moves on. */
  | {
      readonly event: "undelivered message found";
      readonly source: string;
      readonly sequenceNumber: number;
      readonly ageMs: number;
    };
