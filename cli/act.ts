import type { Doing } from "../shared/operate/by.ts";
import { type Answers, makeOperator, type Operator } from "../shared/operate/operator.ts";
import type { DoingFlags } from "./doing.ts";
import { printAnswers } from "./repair/print-answers.ts";
import type { TargetFlags } from "./target/flags.ts";
import { openTarget } from "./target/open-target.ts";

/** What a person asked for. `words` say it to the person, before it is done. */
export interface Action {
  readonly words: string;
  readonly act: (operator: Operator, how: Doing) => Promise<Answers>;
  /** Whether it judges no message, so that module files that are wrong don't matter. */
  readonly judgesNothing?: true;
}

/**
 * Does what a person asked for, and prints a line for each thing that it names. Resolves to 1 if any was refused. It is
 * safe beside running replicas.
 */
export async function act(flags: TargetFlags, doing: DoingFlags, action: Action): Promise<number> {
  const { words, act: run, judgesNothing = false } = action;
  const { why, dryRun = false } = doing;
  const target = await openTarget(flags, { allFiles: !judgesNothing });
  try {
    const who = await target.announce(dryRun ? `dry run: ${words}` : words);
    const by = { who, ...(why === undefined ? {} : { why }) };
    const answers = await run(makeOperator(target.deps, target.log), { by, dryRun });
    printAnswers(answers, flags);
    return answers.some(([, { kind }]) => kind === "refused") ? 1 : 0;
  } finally {
    await target.close();
  }
}
