import type { RunKey } from "../run/run.ts";
import type { Source } from "../run/source.ts";

/** A body as the store holds it. Its version changes whenever it is stored anew. */
export interface StoredBody {
  readonly key: RunKey;
  readonly version: string;
}

/** A page of the bodies that the store holds. */
interface BodyPage {
  readonly bodies: readonly StoredBody[];
  readonly next?: string;
}

/** The last part of a container's log, as it was kept. */
export interface KeptLog {
  readonly container: string;
  readonly log: Uint8Array;
  /** Whether more of it is kept than was read. */
  readonly isCut: boolean;
}

/**
 * How a Job gets its message's body. `inline`: the Job carries a small body itself, and a signed URL of a larger one.
 * `identity`: each body is in the store, and the Job reads it with an identity of its own, so that neither a body nor a
 * signature stands in the cluster.
 */
export type BodyAccess = "inline" | "identity";

/** Keeps what is too large or too private, or must live too long, for the cluster: bodies and logs. */
export interface PayloadStore {
  /** Stores the body of a run. Repeating it is harmless. */
  putBody(key: RunKey, body: Uint8Array): Promise<void>;
  /** Gives the URL of the body, which lets nobody read it who has no right to. */
  bodyUrl(key: RunKey): Promise<string>;
  /** Makes a URL from which anybody can read the body for `validForMs`. It must never be logged. */
  signedBodyUrl(key: RunKey, validForMs: number): Promise<string>;
  /** Deletes the body, or only that version of it. Does nothing if there is none. */
  deleteBody(key: RunKey, version?: string): Promise<void>;
  /**
   * Lists at most `limit` bodies of a source that are in the store, from a place that an earlier page gave as `next`.
   * There is no `next` after the last page.
   */
  listBodies(source: Source, limit: number, from?: string): Promise<BodyPage>;
  /** Stores the last part of a container's log. Resolves to its URL, without any signature. */
  putLog(key: RunKey, attempt: number, container: string, log: Uint8Array): Promise<string>;
  /**
   * Reads what is kept of an attempt's logs: the last `maxBytes` of each container's, in the order in which they were
   * stored, as far as whole seconds tell. It is for people: no replica asks for a log.
   */
  keptLogs(key: RunKey, attempt: number, maxBytes: number): Promise<KeptLog[]>;
  /** Asks the store for something harmless. */
  verify(): Promise<void>;
}
