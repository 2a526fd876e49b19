import type { Answers } from "../../shared/operate/operator.ts";
import { aimed } from "../target/aimed.ts";
import type { TargetFlags } from "../target/flags.ts";
import { printText } from "../text/print.ts";
import { answerText } from "./words.ts";

/** Prints what became of each thing that was named, a line each. */
export function printAnswers(answers: Answers, flags: TargetFlags): void {
  for (const [name, answer] of answers) {
    const text = `${answer.kind}: ${name}: ${answerText(answer, name)}`;
    const endsInCommand = answer.kind === "refused" && answer.because === "redrive at work";
    printText(endsInCommand ? aimed(text, flags) : text);
  }
}
