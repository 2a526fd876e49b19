import { createInterface } from "node:readline/promises";
import { makeOperator } from "../../shared/operate/operator.ts";
import { type LettersPurged, MOST_IN_FRONT, type PurgePlan } from "../../shared/operate/purge-letters.ts";
import { Refusal } from "../refusal.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import { print } from "../text/print.ts";
import { type Progress, showProgress } from "../text/progress.ts";
import { chosenBy } from "./chosen.ts";
import type { WantedFlags } from "./wanted.ts";

type Flags = TargetFlags &
  WantedFlags & {
    readonly run?: readonly string[];
    readonly why?: string;
    readonly dryRun?: boolean;
    readonly yes?: number;
  };

/**
 * Takes the chosen dead letters of a Dispatcher off the bus for good, once a person has typed how many there are.
 * Resolves to 1 if some are left.
 */
export async function purgeLetters({ why, dryRun = false, yes, ...flags }: Flags): Promise<number> {
  const target = await openTarget(flags);
  try {
    const operator = makeOperator(target.deps, target.log);
    const chosen = await chosenBy(operator, flags);
    const plan = await during("looking through the dead letter queues", ({ at }) => operator.planPurge(chosen, at));
    const count = plan.letters.length;
    for (const line of planLines(plan)) print(line);
    if (dryRun || count === 0) return 0;
    const who = await target.announce(`purge ${lettersText(count)}`);
    await confirm(count, yes);
    const by = { who, ...(why === undefined ? {} : { why }) };
    const done = await during("purging", ({ at }) => operator.purgeLetters(plan.letters, by, at), count);
    print(doneText(done));
    return done.left === 0 ? 0 : 1;
  } finally {
    await target.close();
  }
}

async function during<T>(words: string, act: (progress: Progress) => Promise<T>, total?: number): Promise<T> {
  const progress = showProgress(words, total);
  try {
    return await act(progress);
  } finally {
    progress.end();
  }
}

/** Lets a person type the count, or a program give it. Throws a Refusal if it is another. */
async function confirm(count: number, yes: number | undefined): Promise<void> {
  if (yes !== undefined) {
    if (yes === count) return;
    throw new Refusal(
      `Nothing was purged, because ${lettersText(count)} are chosen and not ${yes}. Look again with --dry-run, and add --yes ${count}.`,
    );
  }
  if (!process.stdin.isTTY)
    throw new Refusal(`Nothing was purged, because nobody can be asked. Add --yes ${count} if you are sure.`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const typed = await terminal.question(`They can't be brought back. Type ${count} to purge them: `);
  terminal.close();
  if (typed.trim() !== String(count)) throw new Refusal(`Nothing was purged, because you did not type ${count}.`);
}

function planLines({ letters, onBus, inFront, tooDeep }: PurgePlan): string[] {
  const gone = letters.length - onBus;
  return [
    `chosen: ${lettersText(letters.length)}`,
    ...(gone > 0 ? [`gone from the bus already: ${gone}, of which only the row is deleted`] : []),
    ...(inFront > 0 ? [`in front of them: ${inFront} others, which are held meanwhile and then given back`] : []),
    ...(tooDeep > 0 ? [`out of reach: ${tooDeep}, because over ${MOST_IN_FRONT} others lie in front of them`] : []),
  ];
}

function doneText({ removed, gone, left }: LettersPurged): string {
  const parts = [`purged ${lettersText(removed)}`];
  if (gone > 0) parts.push(`deleted ${gone} rows of letters that were gone`);
  if (left > 0) parts.push(`${left} are left: they lie too deep, or another receiver holds them. Try again later`);
  return parts.join("; ");
}

function lettersText(count: number): string {
  return `${count} dead ${count === 1 ? "letter" : "letters"}`;
}
