/** The dead-letter reasons: why a message was dead-lettered, for programs to read. */
export const REASONS = [
  /** The worker ended badly on its last attempt, or with a permanent exit code. */
  "JobFailed",
  /** The last attempt ran longer than `maxRunningTime`. */
  "JobTimedOut",
  /**
   * The last attempt never got to run because of its image, configuration, command, volume or selector, or because the
   * Job or its pod was refused.
   */
  "JobNotStarted",
  /** The message fits no module, or its body breaks the module's schema. No Job was made. */
  "DispatchRejected",
  /** A person labelled the Job `ion/cancel=true`, or cancelled the run or gave up its Job with `npm run repair`. */
  "Cancelled",
  /** The cluster took the Job away after it had started, more often than `retry.maxInterruptions`. */
  "InterruptedTooOften",
] as const;
export type Reason = (typeof REASONS)[number];
