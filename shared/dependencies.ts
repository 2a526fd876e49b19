import type { Clock } from "./clock.ts";
import type { Module } from "./modules/module.ts";
import type { WrongFile } from "./modules/wrong-file.ts";
import type { HostLink } from "./ports/host-link.ts";
import type { InstanceTable } from "./ports/instance-table.ts";
import type { JobCluster } from "./ports/job-cluster.ts";
import type { MessageBroker } from "./ports/message-broker.ts";
import type { BodyAccess, PayloadStore } from "./ports/payload-store.ts";
import type { RunTable } from "./ports/run-table.ts";

/**
 * What the rooms of the app work with: the ports, the clock, the modules by name, and the few settings that decide
 * anything.
 */
export interface Dependencies {
  readonly table: RunTable;
  readonly instanceTable: InstanceTable;
  readonly broker: MessageBroker;
  readonly hostLink: HostLink;
  readonly cluster: JobCluster;
  readonly payloads: PayloadStore;
  readonly clock: Clock;
  readonly modules: ReadonlyMap<string, Module>;
  /** Empty in the app, which takes no module files if one is wrong. */
  readonly wrongFiles: readonly WrongFile[];
  readonly instance: string;
  readonly namespace: string;
  readonly bodyAccess: BodyAccess;
  /** The entities' lock duration: how long a message stays locked if the process that received it died. */
  readonly lockDurationMs: number;
  /** How long a retired Job stays, and keeps its name taken. */
  readonly jobRetentionMs: number;
  /** The version of KEDA that the chart was told. Undefined unless the app sleeps while there are no messages. */
  readonly kedaVersion: string | undefined;
  /** How long a closed run is kept. */
  readonly historyRetentionMs: number;
}

/**
 * What a look is given: of each port only what changes nothing. So the compiler refuses a look that writes, and an
 * operator may ask at any time what a tick would see.
 */
export interface Looking extends Pick<Dependencies, "clock" | "modules" | "wrongFiles" | "instance" | "bodyAccess"> {
  readonly table: Pick<
    RunTable,
    "find" | "anyReady" | "atWork" | "later" | "allLater" | "heads" | "line" | "heldHeads" | "held" | "knownToWait"
  >;
  readonly instanceTable: Pick<InstanceTable, "sources" | "knownOwner">;
  readonly broker: Pick<MessageBroker, "peek" | "browse">;
  readonly cluster: Pick<JobCluster, "get" | "glance" | "pods" | "events" | "listJobs" | "listPods" | "listCancelled">;
}

/**
 * What an operator's view is given: what a look is given, and what else of the ports changes nothing. A view writes
 * nothing, and says so by its type.
 */
export interface LookDependencies extends Looking, Pick<Dependencies, "namespace" | "lockDurationMs"> {
  readonly table: Looking["table"] &
    Pick<
      RunTable,
      | "inPlace"
      | "slotsAtWork"
      | "queues"
      | "laterCounts"
      | "ahead"
      | "withMessageId"
      | "withCorrelationId"
      | "closedRuns"
      | "runBehind"
      | "deadLetters"
      | "failureGroups"
      | "letterRuns"
      | "lastRedrives"
    >;
  readonly instanceTable: Pick<
    InstanceTable,
    | "sources"
    | "knownOwner"
    | "lastTick"
    | "tickLease"
    | "ends"
    | "moduleStates"
    | "limits"
    | "gateStates"
    | "heldSources"
    | "cluster"
    | "redrives"
    | "actions"
  >;
  readonly cluster: Looking["cluster"] & Pick<JobCluster, "namespaceUid" | "log">;
  readonly payloads: Pick<PayloadStore, "keptLogs">;
}
