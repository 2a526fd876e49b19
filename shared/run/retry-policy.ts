/**
 * The MaxDeliveryCount that every source has to have. An acceptance costs the message one delivery, each attempt that
 * another one follows costs one more, and so does each delivery or settlement that came to nothing.
 */
export const MAX_DELIVERIES = 2_000;

/**
 * The most attempts that a module's two budgets, `maxAttempts` and `maxInterruptions`, may allow together. They take
 * half of a message's deliveries at most. The other half is for outages, in which it is delivered for nothing.
 */
export const MAX_BUDGETED_ATTEMPTS = MAX_DELIVERIES / 2;

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
