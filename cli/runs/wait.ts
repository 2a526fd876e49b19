import { type ClosedStatus, runId } from "../../shared/run/run.ts";
import { commandHere } from "../target/aimed.ts";
import type { TargetFlags } from "../target/flags.ts";
import { shown, withOperator } from "../target/with-operator.ts";
import { plainText } from "../text/plain-text.ts";
import { note, print } from "../text/print.ts";
import { known, oneRun } from "./one-run.ts";

/** The exit code of each outcome. */
const CODES: Readonly<Record<ClosedStatus, number>> = {
  succeeded: 0,
  failed: 3,
  rejected: 4,
  cancelled: 5,
  lost: 6,
  withdrawn: 8,
};
const NOT_OVER = 7;

/** Waits until a run is over. Resolves to the code of its outcome. */
export async function waitFor(id: string, flags: TargetFlags & { readonly timeout?: number }): Promise<number> {
  return withOperator(flags, async (operator) => {
    const key = await oneRun(operator, id, flags);
    const late = flags.timeout === undefined ? undefined : AbortSignal.timeout(flags.timeout);
    const answer = await shown(`waiting for ${runId(key)}`, operator.wait(key, late ? { signal: late } : {}));
    if (answer === undefined && late?.aborted) {
      const why = commandHere(["runs", "explain", runId(key)], flags);
      note(plainText(`${runId(key)} is not over yet. See why: ${why}`));
      return NOT_OVER;
    }
    const run = known(answer, key);
    const why = run.verdict?.description ?? run.verdict?.reason;
    print(plainText(`${run.status}: ${runId(key)}${why === undefined ? "" : `: ${why}`}`));
    return CODES[run.status];
  });
}
