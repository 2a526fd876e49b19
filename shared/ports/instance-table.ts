import type { EpochMs } from "../clock.ts";
import type { ModuleState } from "../run/module-state.ts";
import type { Source } from "../run/source.ts";

/** What is known of a module, as the table held it when it was read. */
export interface StoredModuleState {
  readonly state: ModuleState;
  readonly etag: string;
}

/**
 * The rows of the instance itself. A conditional write that meets somebody else's is a `ConflictError`; whatever passes by itself is an
 * `UnavailableError`.
 */
export interface InstanceTable {
  /** The id of this table's Dispatcher, made once and stamped on every message that it defers. */
  owner(): Promise<string>;
  /** Every source that ever had a run here, so that runs of a removed module or source are still followed. */
  sources(): Promise<Source[]>;
  /** Records a source before its first run. Repeating it is harmless. */
  registerSource(source: Source): Promise<void>;
  /** Where the sweep of a source goes on: the next sequence number to peek at. 0 at first. */
  sweepCursor(source: Source): Promise<number>;
  saveSweepCursor(source: Source, sequenceNumber: number): Promise<void>;
  /** What is known of each module that ever had trouble starting its Jobs. */
  moduleStates(): Promise<StoredModuleState[]>;
  /** Replaces what is known of a module, if nobody changed it since; without an ETag, if nothing was known. ConflictError otherwise. */
  saveModuleState(state: ModuleState, etag: string | undefined): Promise<void>;
  /** Notes that a tick came to its end: every replica's health reports its age, whichever replica ran it. */
  recordTick(at: EpochMs): Promise<void>;
  lastTick(): Promise<EpochMs | undefined>;
}
