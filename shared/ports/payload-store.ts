import type { RunKey } from "../run/run.ts";

/** What is too large, or too long-lived, for the cluster: bodies over the inline limit, and logs. */
export interface PayloadStore {
  /** Stores the body of a run. Repeating it is harmless. */
  putBody(key: RunKey, body: Uint8Array): Promise<void>;
  /** A URL from which a Job can read the body for `validForMs`. A secret where it carries a signature: never logged. */
  bodyUrl(key: RunKey, validForMs: number): Promise<string>;
  /** Deletes the body; harmless where there is none. */
  deleteBody(key: RunKey): Promise<void>;
  /** Stores the last part of a container's log. Resolves to its URL, without any signature. */
  putLog(key: RunKey, attempt: number, container: string, log: Uint8Array): Promise<string>;
  /** Asks the store for something harmless. */
  verify(): Promise<void>;
}
