import type { Doing } from "../../shared/operate/by.ts";
import { type Answers, makeOperator, type Operator } from "../../shared/operate/operator.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import { plainText } from "../text/plain-text.ts";
import { print } from "../text/print.ts";
import { answerText, findingText } from "./words.ts";

/** What a person asked for. `words` say it to the person, before it is done. */
export interface Action {
  readonly words: string;
  act(operator: Operator, how: Doing): Promise<Answers>;
}

/** Lists what only a person may repair. Resolves to 1 if there is anything. */
export async function audit(flags: TargetFlags): Promise<number> {
  const target = await openTarget(flags);
  try {
    const found = await makeOperator(target.deps, target.log).audit();
    for (const finding of found) print(plainText(findingText(finding, target.deps.namespace)));
    if (found.length === 0) print("nothing needs to be repaired");
    return found.length === 0 ? 0 : 1;
  } finally {
    await target.close();
  }
}

/** Repairs what the action names. Resolves to 1 if any of it was refused. It is safe beside running replicas. */
export async function repair(flags: TargetFlags, action: Action, why: string | undefined): Promise<number> {
  const target = await openTarget(flags);
  try {
    const by = { who: await target.announce(action.words), ...(why === undefined ? {} : { why }) };
    const answers = await action.act(makeOperator(target.deps, target.log), { by });
    for (const [name, answer] of answers) print(plainText(`${answer.kind}: ${name}: ${answerText(answer)}`));
    return answers.some(([, { kind }]) => kind === "refused") ? 1 : 0;
  } finally {
    await target.close();
  }
}
