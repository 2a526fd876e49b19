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

/** Keeps what is too large or must live too long for the cluster: bodies over the inline limit, and logs. */
export interface PayloadStore {
  /** Stores the body of a run. Repeating it is harmless. */
  putBody(key: RunKey, body: Uint8Array): Promise<void>;
  /**
   * Makes a URL from which a Job can read the body for `validForMs`. It may carry a signature, so that it must never be
   * logged.
   */
  bodyUrl(key: RunKey, validForMs: number): Promise<string>;
  /** Deletes the body, or only that version of it. Does nothing if there is none. */
  deleteBody(key: RunKey, version?: string): Promise<void>;
  /**
   * Lists at most `limit` bodies of a source that are in the store, from a place that an earlier page gave as `next`.
   * There is no `next` after the last page.
   */
  listBodies(source: Source, limit: number, from?: string): Promise<BodyPage>;
  /** Stores the last part of a container's log. Resolves to its URL, without any signature. */
  putLog(key: RunKey, attempt: number, container: string, log: Uint8Array): Promise<string>;
  /** Asks the store for something harmless. */
  verify(): Promise<void>;
}
