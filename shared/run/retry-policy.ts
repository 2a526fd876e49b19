/** How often a run's attempts are repeated, and how long it waits in between. */
export interface RetryPolicy {
  /** Failures it takes to give up: the first attempt counts. */
  readonly maxAttempts: number;
  readonly backoff: { readonly firstMs: number; readonly maxMs: number };
  /** Exit codes after which another attempt cannot help. Sorted, unique, 1 to 255. */
  readonly permanentExitCodes: readonly number[];
  readonly maxInterruptions: number;
}

/** The policy of a module that says nothing about retries, and of a run whose module was removed. */
export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 5,
  backoff: { firstMs: 10_000, maxMs: 600_000 },
  permanentExitCodes: [],
  maxInterruptions: 20,
};
