import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { makeOperator } from "../../shared/operate/operator.ts";
import type { LettersPurged, PurgePlan } from "../../shared/operate/purge-letters.ts";
import { MOST_IN_FRONT } from "../../shared/redrive/carry-out.ts";
import type { DoingFlags } from "../doing.ts";
import { Refusal } from "../refusal.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import { print } from "../text/print.ts";
import { during } from "../text/progress.ts";
import { counted } from "../text/times.ts";
import { chosenBy } from "./chosen.ts";
import type { WantedFlags } from "./wanted.ts";

type Flags = TargetFlags &
  WantedFlags &
  DoingFlags & { readonly run?: readonly string[]; readonly gone?: boolean; readonly yes?: number };

/**
 * Takes the chosen dead letters of a Dispatcher off the bus for good, once a person has typed how many there are.
 * Resolves to 1 if some are left.
 */
export async function purgeLetters({ why, dryRun, gone: onlyGone = false, yes, ...flags }: Flags): Promise<number> {
  const target = await openTarget(flags);
  try {
    const operator = makeOperator(target.deps, target.log);
    const chosen = await chosenBy(operator, flags);
    const plan = await during("looking through the dead letter queues", (show) => operator.planPurge(chosen, show));
    const count = plan.letters.length - (onlyGone ? plan.onBus : 0);
    for (const line of planLines(plan, onlyGone)) print(line);
    if (dryRun || count === 0) return 0;
    const what = counted(count, "dead letter");
    const who = await target.announce(onlyGone ? `delete the rows of ${what} that are gone` : `purge ${what}`);
    await confirm(count, yes);
    const by = { who, ...(why === undefined ? {} : { why }) };
    const purge = (tell: (done: number) => void) => operator.purgeLetters(plan.letters, by, { onlyGone, tell });
    const done = await during("purging", purge, count);
    print(doneText(done));
    return done.left === 0 ? 0 : 1;
  } finally {
    await target.close();
  }
}

/** Lets a person type the count, or a program give it. Throws a Refusal if it is another. */
async function confirm(count: number, yes: number | undefined): Promise<void> {
  if (yes !== undefined) {
    if (yes === count) return;
    throw new Refusal(
      `Nothing was purged, because ${counted(count, "dead letter")} are chosen and not ${yes}. Look again with --dry-run, and add --yes ${count}.`,
    );
  }
  if (!process.stdin.isTTY)
    throw new Refusal(`Nothing was purged, because nobody can be asked. Add --yes ${count} if you are sure.`);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // It is closed by Ctrl-C, or if the terminal goes away.
  const closed = once(terminal, "close").then(() => "");
  const asked = terminal.question(`They can't be brought back. Type ${count} to purge them: `);
  const typed = await Promise.race([asked, closed]);
  terminal.close();
  if (typed.trim() !== String(count)) throw new Refusal(`Nothing was purged, because you did not type ${count}.`);
}

function planLines({ letters, onBus, inFront, tooDeep }: PurgePlan, onlyGone: boolean): string[] {
  const gone = letters.length - onBus;
  if (onlyGone) return [`chosen: the rows of ${counted(gone, "dead letter")} that are gone from the bus`];
  return [
    `chosen: ${counted(letters.length, "dead letter")}`,
    ...(gone > 0 ? [`gone from the bus already: ${gone}, of which only the row is deleted`] : []),
    ...(inFront > 0 ? [`in front of them: ${inFront} others, which are held meanwhile and then given back`] : []),
    ...(tooDeep > 0 ? [`out of reach: ${tooDeep}, because over ${MOST_IN_FRONT} others lie in front of them`] : []),
  ];
}

function doneText({ removed, gone, left }: LettersPurged): string {
  const parts = removed > 0 || gone === 0 ? [`purged ${counted(removed, "dead letter")}`] : [];
  if (gone > 0) parts.push(`deleted the rows of ${counted(gone, "dead letter")} that were gone`);
  if (left > 0)
    parts.push(
      `${left} are left: they lie too deep, another receiver holds them, or they were redriven meanwhile. Look again with --dry-run`,
    );
  return parts.join("; ");
}
