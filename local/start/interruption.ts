/** How long a second Ctrl-C counts as meant. */
const AGAIN_WITHIN_MS = 10_000;
/** A terminal and npm may both pass on one Ctrl-C. */
export const SAME_PRESS_MS = 500;

export interface InterruptionOptions {
  /** Resolves to how many Jobs would end with the stack; undefined if it can't be told. */
  readonly jobsAtWork: () => Promise<number | undefined>;
  /** Whether a person can press Ctrl-C again. */
  readonly isTerminal: boolean;
  readonly say: (line: string) => void;
  /** The clock, in ms. */
  readonly now?: () => number;
}

/**
 * Makes the handler of Ctrl-C. `stop` is called at once if no Job would end, or there is no terminal. Otherwise the
 * first Ctrl-C says how many Jobs would end, and a second one within ten seconds stops.
 */
export function makeInterruption(stop: () => void, options: InterruptionOptions): () => Promise<void> {
  const { jobsAtWork, isTerminal, say, now = Date.now } = options;
  let warnedAt: number | undefined;
  let isAsking = false;
  return async () => {
    if (!isTerminal) return stop();
    const at = now();
    if (isAsking || (warnedAt !== undefined && at - warnedAt < SAME_PRESS_MS)) return;
    if (warnedAt !== undefined && at - warnedAt < AGAIN_WITHIN_MS) return stop();
    isAsking = true;
    const count = await jobsAtWork().catch(() => undefined);
    isAsking = false;
    if (count === undefined || count === 0) return stop();
    warnedAt = now();
    const [jobs, they] = count === 1 ? ["1 Job is", "it"] : [`${count} Jobs are`, "they"];
    say(
      `${jobs} at work and would end. At the next start ${they} would count as interrupted, and be tried again. To stop now, press Ctrl-C again within ${AGAIN_WITHIN_MS / 1000} s.`,
    );
  };
}
