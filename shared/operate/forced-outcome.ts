/** What an operator may say became of an attempt whose Job can't end. */
export const FORCED_OUTCOMES = ["completed", "dead-lettered", "retried"] as const;
export type ForcedOutcome = (typeof FORCED_OUTCOMES)[number];
