import type { EpochMs, Reading } from "../clock.ts";
import type { ClosedRun, Run, RunKey } from "../run/run.ts";
import type { Source } from "../run/source.ts";

/** An open run as the table held it at `read`. */
export interface StoredRun {
  readonly run: Run;
  readonly etag: string;
  /** Both clocks, taken before the request that read or wrote the row was sent. */
  readonly read: Reading;
}

export type FoundRun =
  | { readonly kind: "none" }
  | { readonly kind: "open"; readonly stored: StoredRun }
  | { readonly kind: "closed"; readonly run: ClosedRun; readonly etag: string };

/**
 * The rows of runs. Every write is conditional; a write that meets somebody else's is a `ConflictError`, and the caller reads again.
 * Whatever passes by itself is an `UnavailableError`. A lost reply shows as either: reading again tells.
 */
export interface RunTable {
  /** The run of exactly this identity, enqueued time included. */
  find(key: RunKey): Promise<FoundRun>;
  /** Inserts `open|` and `run|` in one transaction. ConflictError where either exists. */
  insert(run: Run): Promise<StoredRun>;
  /** All open runs of a source, by ascending sequence number (oldest first). */
  openRuns(source: Source): Promise<StoredRun[]>;
  /** Replaces the open row if nobody changed it since `stored` was read. ConflictError otherwise. */
  update(stored: StoredRun, next: Run): Promise<StoredRun>;
  /** Deletes `open|` and replaces `run|` with the outcome, in one transaction, if nobody changed the row since. ConflictError otherwise. */
  close(stored: StoredRun, closed: ClosedRun): Promise<void>;
  /** The other way, for a run closed as `lost` whose message turned up. ConflictError where somebody else was first. */
  reopen(closedEtag: string, run: Run): Promise<StoredRun>;
  /** Deletes at most `limit` closed runs of a source that closed before `closedBefore`. Resolves to how many. */
  purge(source: Source, closedBefore: EpochMs, limit: number): Promise<number>;
}
