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

/** What the table holds of a run. */
export type FoundRun =
  | { readonly kind: "none" }
  | { readonly kind: "open"; readonly stored: StoredRun }
  | { readonly kind: "closed"; readonly run: ClosedRun; readonly etag: string };

/**
 * The rows of runs. Every write is conditional. Throws `ConflictError` if another writer was first, so that the caller
 * reads again, and `UnavailableError` for a failure that may pass by itself. A lost reply shows as either, and only
 * another read tells whether the write worked.
 */
export interface RunTable {
  /** Finds the run of exactly this identity, enqueued time included. */
  find(key: RunKey): Promise<FoundRun>;
  /** Inserts `open|` and `run|` in one transaction. Throws ConflictError if either exists. */
  insert(run: Run): Promise<StoredRun>;
  /** Lists all open runs of a source by ascending sequence number, so that the oldest is first. */
  openRuns(source: Source): Promise<StoredRun[]>;
  /** Replaces the open row. Throws ConflictError if it changed since `stored` was read. */
  update(stored: StoredRun, next: Run): Promise<StoredRun>;
  /**
   * Deletes `open|` and replaces `run|` with the outcome, in one transaction. Throws ConflictError if the row changed
   * since it was read.
   */
  close(stored: StoredRun, closed: ClosedRun): Promise<void>;
  /**
   * Opens a run again that was closed as `lost`, because its message turned up. Throws ConflictError if another writer
   * was first.
   */
  reopen(closedEtag: string, run: Run): Promise<StoredRun>;
  /** Deletes at most `limit` closed runs of a source that closed before `closedBefore`. Resolves to their number. */
  purge(source: Source, closedBefore: EpochMs, limit: number): Promise<number>;
}
