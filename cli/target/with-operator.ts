import { WrongQueryError } from "../../shared/errors.ts";
import { makeOperator, type Operator } from "../../shared/operate/operator.ts";
import { Refusal } from "../refusal.ts";
import { showProgress } from "../text/progress.ts";
import type { TargetFlags } from "./flags.ts";
import { openTarget, type Target } from "./open-target.ts";

/** Looks at a Dispatcher, and closes what was opened for it. */
export async function withOperator<T>(
  flags: TargetFlags,
  look: (operator: Operator, target: Target) => Promise<T>,
): Promise<T> {
  const target = await openTarget(flags);
  try {
    return await look(makeOperator(target.deps, target.log), target);
  } catch (error) {
    if (error instanceof WrongQueryError) throw new Refusal(`${capitalized(error.message)}.`);
    throw error;
  } finally {
    await target.close();
  }
}

/** Shows on a terminal that an answer takes long. */
export async function shown<T>(words: string, answer: Promise<T>): Promise<T> {
  const progress = showProgress(words);
  try {
    return await answer;
  } finally {
    progress.end();
  }
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
