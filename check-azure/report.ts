import type { Leftover } from "./delete-all.ts";
import type { Environment } from "./environment.ts";
import type { Answer } from "./run-checks.ts";

/** What a run found out, and what it left behind. */
export interface Outcome {
  readonly environment: Environment;
  readonly answers: readonly Answer[];
  readonly leftovers: readonly Leftover[];
  readonly minutes: number;
}

const KINDS = ["disproven", "proven", "not tried"] as const;

/** Whether nothing was disproven, and all is deleted. */
export function isGood({ answers, leftovers }: Outcome): boolean {
  return leftovers.length === 0 && answers.every(({ verdict }) => verdict.kind !== "disproven");
}

/** Writes the outcome for people: each question, what was done, and what Azure did. */
export function reportText({ environment, answers, leftovers, minutes }: Outcome): string {
  const of = (kind: (typeof KINDS)[number]) => answers.filter(({ verdict }) => verdict.kind === kind);
  const counts = KINDS.map((kind) => `${of(kind).length} ${kind}`).join(", ");
  return [
    `Environment ${environment.name}, ${Math.round(minutes)} minutes: ${counts}.`,
    ...KINDS.flatMap((kind) => of(kind).map(answerText)),
    leftoversText(leftovers),
  ].join("\n\n");
}

function answerText({ question, deed, verdict }: Answer): string {
  const said = verdict.kind === "not tried" ? "why not" : "Azure";
  return [
    `${verdict.kind.toUpperCase()}: ${question}`,
    `  tried:   ${indented(deed)}`,
    `  ${`${said}:`.padEnd(9)}${indented(verdict.what)}`,
  ].join("\n");
}

function indented(text: string): string {
  return text.replaceAll("\n", `\n${" ".repeat(11)}`);
}

function leftoversText(leftovers: readonly Leftover[]): string {
  if (leftovers.length === 0)
    return "Everything was deleted. Azure keeps the deleted workspace for 14 days, at no cost.";
  return [
    "NOT DELETED. Each of these costs money, or is in the way, until you delete it:",
    ...leftovers.map(({ what, why, command }) => `  ${what}: ${indented(why)}\n    ${command}`),
  ].join("\n");
}
