import type { LetterOnBus } from "../../shared/operate/views/dead-letters.ts";
import { mapFound, type Sought } from "../../shared/operate/views/sought.ts";
import { type ClosedRun, type RunKey, runId } from "../../shared/run/run.ts";
import { onlyOne } from "../runs/one-run.ts";
import type { TargetFlags } from "../target/flags.ts";
import { withOperator } from "../target/with-operator.ts";
import type { Output } from "../text/output.ts";
import { plainJson, plainText } from "../text/plain-text.ts";
import { print } from "../text/print.ts";
import { type FoundLetter, foundLetter } from "./found-letter.ts";
import { contentOf, type Fact, factLines, readable, stateText, timeAndAgo } from "./letter-facts.ts";
import { factsOfOther } from "./others.ts";
import { moduleText } from "./wanted.ts";

interface Flags extends TargetFlags {
  readonly output: Output;
  readonly content?: boolean;
}

/** Shows one dead letter of a Dispatcher, by whomever it was left. Throws a Refusal if there is none. */
export async function showLetter(
  id: string,
  { output, content: withContent = false, ...flags }: Flags,
): Promise<number> {
  return withOperator(flags, async (operator, { deps }) => {
    const named = await operator.find(id);
    const other = named ? undefined : await operator.otherLetter(id, { withContent });
    if (other) {
      const { letter, onBus } = other;
      printOne(output, letter, { letter: runId(letter), ...letter, onBus: readable(onBus) }, () =>
        factsOfOther(other, deps.clock.now(), flags),
      );
      return 0;
    }
    const found = foundLetter(id, await operator.deadLetter(named ? runId(onlyOne(named, id)) : id, { withContent }));
    const { letter, run, onBus } = found;
    printOne(output, letter, { run: runId(letter), ...letter, ...moreOf(run), onBus: mapFound(onBus, readable) }, () =>
      factsOf(found, deps.clock.now()),
    );
    return 0;
  });
}

function printOne(output: Output, key: RunKey, json: object, facts: () => readonly Fact[]): void {
  if (output === "json") print(plainJson(json, 2));
  else if (output === "name") print(plainText(runId(key)));
  else for (const line of factLines(facts())) print(line);
}

/** What the run's row says besides what lists show. */
function moreOf({ verdict, correlationId, subject, failures, interruptions, jobName, lastError, logsUrl }: ClosedRun) {
  const { description } = verdict ?? {};
  return { description, correlationId, subject, failures, interruptions, jobName, lastError, logsUrl };
}

/** What is known of a dead letter that a run left. */
export function factsOf({ letter, run, onBus }: FoundLetter, now: number): readonly Fact[] {
  const { exitCode, group } = letter;
  const found = "found" in onBus ? onBus.found : undefined;
  return [
    ["run", runId(letter)],
    ["module", moduleText(letter.module)],
    ["reason", letter.reason],
    ["description", run.verdict?.description],
    ["exit code", exitCode === undefined ? undefined : String(exitCode)],
    ["group", `${group.id} ${group.text}`],
    ["message id", letter.messageId],
    ["correlation id", run.correlationId],
    ["subject", run.subject],
    ["enqueued", timeAndAgo(letter.enqueuedAt, now)],
    ["dead-lettered", timeAndAgo(letter.closedAt, now)],
    ["attempts", `${letter.attempts} (${run.failures} failures, ${run.interruptions} interruptions)`],
    ["last Job", run.jobName],
    ["last log", run.logsUrl],
    ["on the bus", onBusText(onBus)],
    ...(found ? [...stampsOf(found), ...contentOf(found)] : []),
  ];
}

function onBusText(onBus: Sought<LetterOnBus>): string {
  if ("unavailable" in onBus) return `it can't be looked at: ${onBus.unavailable}`;
  if (onBus.found === null) return "no letter of this run has its number, so most likely a person has taken it out";
  return stateText(onBus.found);
}

function stampsOf({ stamps }: LetterOnBus): Fact[] {
  return Object.entries(stamps).map(([name, value]) => [name, String(value)]);
}
