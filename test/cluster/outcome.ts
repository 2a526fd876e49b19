import type { Sent } from "./dispatcher-under-test.ts";
import type { Letter } from "./message-end.ts";

/** How a message ended, and how many attempts, failures and interruptions it took. */
export interface Outcome {
  readonly letter: Letter | undefined;
  readonly status: string;
  readonly attempt: number;
  readonly failures: number;
  readonly interruptions: number;
}

/**
 * The first attempt's Job completed the message, and nothing that happened meanwhile counted as a failure or
 * interruption.
 */
export const AT_ONCE: Outcome = { letter: undefined, status: "succeeded", attempt: 1, failures: 0, interruptions: 0 };

/** Resolves once the message's run is closed. */
export async function outcomeOf(sent: Sent): Promise<Outcome> {
  const { letter, run } = await sent.end();
  const { status, attempt, failures, interruptions } = run;
  return { letter, status, attempt, failures, interruptions };
}
