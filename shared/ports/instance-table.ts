import type { EpochMs } from "../clock.ts";
import type { Action } from "../run/action.ts";
import type { ClusterRecord } from "../run/cluster-record.ts";
import type { GateState } from "../run/gate-state.ts";
import type { ModuleLimit } from "../run/module-limit.ts";
import type { ModuleState } from "../run/module-state.ts";
import type { EndsBySlot } from "../run/recent-ends.ts";
import type { Redrive } from "../run/redrive.ts";
import type { Source } from "../run/source.ts";
import type { SourceHold } from "../run/source-hold.ts";
import type { TickCounts } from "../run/tick-counts.ts";
import type { ActionLog } from "./action-log.ts";

/** The state of a module, as the table held it when it was read. */
export interface StoredModuleState {
  readonly state: ModuleState;
  readonly etag: string;
}

/** A person's limit on a module, as the table held it when it was read. */
export interface StoredLimit {
  readonly limit: ModuleLimit;
  readonly etag: string;
}

/** The redrive of a source, as the table held it when it was read. */
export interface StoredRedrive {
  readonly redrive: Redrive;
  readonly etag: string;
}

/** The state of a gate, as the table held it when it was read. */
interface StoredGateState {
  readonly state: GateState;
  readonly etag: string;
}

/** The last tick that came to its end, whichever replica ran it. */
export interface LastTick {
  readonly at: EpochMs;
  /** What it counted. Undefined if an older release ran it, or if the column can't be read. */
  readonly counts?: TickCounts;
}

/** Which replica ticks. The others pass over their ticks until it ends. */
export interface TickLease {
  /** The id of the replica's process. */
  readonly holder: string;
  readonly until: EpochMs;
}

/** The lease, as the table held it when it was read or written. */
export interface StoredTickLease {
  readonly lease: TickLease;
  readonly etag: string;
}

/** What was closed lately, as the table held it when it was read or written. */
export interface StoredEnds {
  /** Undefined if the row can't be read. */
  readonly ends: EndsBySlot | undefined;
  readonly etag: string;
}

/** The record of the cluster, as the table held it when it was read. */
export interface StoredClusterRecord {
  readonly record: ClusterRecord;
  readonly etag: string;
}

/** A held source, as the table held it when it was read. */
export interface StoredSourceHold {
  readonly source: Source;
  readonly hold: SourceHold;
  readonly etag: string;
}

/**
 * The rows of the instance itself. Throws `ConflictError` if another writer was first with a conditional write, and
 * `UnavailableError` for a failure that may pass by itself. `action`: the person's deed that makes a write, which the
 * action log notes in the same transaction.
 */
export interface InstanceTable extends ActionLog {
  /** Resolves to the id of this instance, which is made once and stamped on every message that it defers. */
  owner(): Promise<string>;
  /** Resolves to the same, and makes none: undefined if there is none yet. Once it is known, it is not read again. */
  knownOwner(): Promise<string | undefined>;
  /** Lists every source that ever had a run here, so that runs of a removed module or source are still followed. */
  sources(): Promise<Source[]>;
  /** Records a source before its first run. Repeating it is harmless. */
  registerSource(source: Source): Promise<void>;
  /** Resolves to the sequence number at which the sweep of a source continues; 0 at first. */
  sweepCursor(source: Source): Promise<number>;
  saveSweepCursor(source: Source, sequenceNumber: number): Promise<void>;
  /** Lists the states of the modules that ever had trouble starting their Jobs. */
  moduleStates(): Promise<StoredModuleState[]>;
  /**
   * Replaces the state of a module if it is unchanged since it was read, or inserts it if there is no ETag. Throws
   * ConflictError if another writer was first.
   */
  saveModuleState(state: ModuleState, etag: string | undefined): Promise<void>;
  /** Lists the limits that persons set on modules, those that have ended included. */
  limits(): Promise<StoredLimit[]>;
  /**
   * Replaces a module's limit if it is unchanged since it was read, or inserts it if there is no ETag. Throws
   * ConflictError if another writer was first.
   */
  saveLimit(limit: ModuleLimit, etag: string | undefined, action: Action): Promise<void>;
  /**
   * Deletes a module's limit. No `action` if it has ended by itself. Throws
   * ConflictError if the limit has changed since it was read.
   */
  removeLimit(module: string, etag: string, action?: Action): Promise<void>;
  /** Lists the last redrive of each source that ever had one. */
  redrives(): Promise<StoredRedrive[]>;
  /**
   * Replaces the redrive of a source if it is unchanged since it was read, or inserts it if there is no ETag. Resolves to
   * it as it is stored then. Throws ConflictError if another writer was first.
   */
  saveRedrive(redrive: Redrive, etag: string | undefined, action?: Action): Promise<StoredRedrive>;
  /** Resolves to the record of the cluster that the Jobs are in; undefined before the first look at it. */
  cluster(): Promise<StoredClusterRecord | undefined>;
  /**
   * Replaces the record of the cluster if it is unchanged since it was read, or inserts it if there is no ETag. Throws
   * ConflictError if another writer was first.
   */
  saveCluster(record: ClusterRecord, etag: string | undefined, action?: Action): Promise<void>;
  /** Lists the sources that are held. */
  heldSources(): Promise<StoredSourceHold[]>;
  /**
   * Holds a source, or replaces its hold if that is unchanged since it was read. Throws ConflictError if another writer
   * was first.
   */
  holdSource(source: Source, hold: SourceHold, etag: string | undefined, action?: Action): Promise<void>;
  /** Ends the hold of a source. Throws ConflictError if the hold has changed since it was read. */
  releaseSource(source: Source, etag: string): Promise<void>;
  /** Lists the states of the gates at which a message was ever rejected. */
  gateStates(): Promise<StoredGateState[]>;
  /**
   * Replaces the state of a gate if it is unchanged since it was read, or inserts it if there is no ETag. Throws
   * ConflictError if another writer was first.
   */
  saveGateState(state: GateState, etag: string | undefined, action?: Action): Promise<void>;
  /**
   * Notes that a tick ended, and what it counted. The health of every replica reports its age, whichever replica ran it.
   */
  recordTick(at: EpochMs, counts?: TickCounts): Promise<void>;
  lastTick(): Promise<LastTick | undefined>;
  /** Resolves to the lease of the replica that ticks; undefined if none ever took it. */
  tickLease(): Promise<StoredTickLease | undefined>;
  /**
   * Replaces the lease if it is unchanged since it was read, or inserts it if there is no ETag. Throws ConflictError if
   * another replica was first.
   */
  saveTickLease(lease: TickLease, etag: string | undefined): Promise<StoredTickLease>;
  /** Resolves to what was closed lately; undefined if nothing was noted yet. */
  ends(): Promise<StoredEnds | undefined>;
  /**
   * Replaces what was closed lately if it is unchanged since it was read, or inserts it if there is no ETag. Throws
   * ConflictError if another replica was first.
   */
  saveEnds(ends: EndsBySlot, etag: string | undefined): Promise<StoredEnds>;
}
