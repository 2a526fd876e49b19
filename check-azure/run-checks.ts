import { errorText } from "../shared/errors.ts";
import type { Azure } from "./azure.ts";
import { type Check, notTried, type Verdict } from "./check.ts";

/** A question with its answer. */
export interface Answer {
  readonly question: string;
  /** What was done to find out. */
  readonly deed: string;
  readonly verdict: Verdict;
}

/**
 * Tries the checks, one after another. One that can't do its deed keeps no other from trying. After a verdict that ends
 * all, and after an interruption, the others are not tried.
 */
export async function runChecks(
  checks: readonly Check[],
  azure: Azure,
  { signal, say }: { readonly signal: AbortSignal; readonly say: (text: string) => void },
): Promise<Answer[]> {
  const answers: Answer[] = [];
  let endedBy: string | undefined;
  for (const { question, deed, minutes, run } of checks) {
    if (signal.aborted) endedBy ??= "The run was interrupted.";
    if (endedBy === undefined) say(`${question} (about ${minutes} min)`);
    const verdict = endedBy === undefined ? await verdictOf(run, azure) : notTried(endedBy);
    if (endedBy === undefined) say(`  ${verdict.kind}: ${verdict.what}`);
    if (verdict.kind === "disproven" && verdict.endsAll === true) endedBy = `It needs what failed before: ${question}`;
    answers.push({ question, deed, verdict });
  }
  return answers;
}

async function verdictOf(run: Check["run"], azure: Azure): Promise<Verdict> {
  try {
    return await run(azure);
  } catch (error) {
    return notTried(errorText(error));
  }
}
