import type { Run, RunKey } from "../run/run.ts";
import type { Source } from "../run/source.ts";
import type { StoredRun } from "./run-table.ts";

/** What the row says that locks the identity of a run. */
export interface Identity extends RunKey {
  readonly isOpen: boolean;
}

/** What is wrong with the rows of an open run, as the table held them at the last of several looks. */
export type BrokenRows =
  /** The identity's row says that the run is open, and the run itself is nowhere. */
  | { readonly kind: "no run"; readonly key: RunKey; readonly etag: string }
  /** The run is there, and nothing locks its identity. */
  | { readonly kind: "no lock"; readonly key: RunKey; readonly stored: StoredRun };

/** A row by which people find a run. */
export interface SearchRow extends RunKey {
  /** Names it, for the table alone. */
  readonly row: string;
}

/**
 * Compares the rows of runs with each other. They are written together, so that they disagree only if a person or another
 * program changed the table. Throws as `RunTable` does.
 */
export interface RowCheck {
  /**
   * Lists the identities of at most `limit` runs of a source, open or closed, in the order of their rows; with `after`,
   * only those behind that one. Fewer are the last ones. Leaves out those of a newer release.
   */
  identities(source: Source, limit: number, after?: RunKey): Promise<Identity[]>;
  /**
   * Says what is wrong with the rows of a run. `row`: where the run was seen, if it was. Looks several times, because a
   * run may move between two reads. Undefined if nothing is wrong.
   */
  brokenRows(key: RunKey, row?: string): Promise<BrokenRows | undefined>;
  /** Locks the identity of a run that nothing locks. Throws ConflictError if its rows changed since they were read. */
  lockAgain(broken: BrokenRows & { readonly kind: "no lock" }): Promise<void>;
  /**
   * Puts a run back of which only the identity is left, or forgets the identity if there is no run. Throws ConflictError
   * if that changed since it was read.
   */
  putBack(broken: BrokenRows & { readonly kind: "no run" }, run: Run | undefined): Promise<void>;
  /** Lists at most `limit` rows of a source by which people find runs; with `after`, only those behind that row. */
  searchRows(source: Source, limit: number, after?: string): Promise<SearchRow[]>;
  /** Deletes rows by which people find runs. Repeating it is harmless. */
  removeSearchRows(source: Source, rows: readonly SearchRow[]): Promise<void>;
}
