import type { Operator } from "../../shared/operate/operator.ts";
import type { RunsFound } from "../../shared/operate/views/find-runs.ts";
import { meantOf } from "../../shared/run/dead-letter.ts";
import { byAge, type RunKey, runId } from "../../shared/run/run.ts";
import { Refusal } from "../refusal.ts";
import { commandHere } from "../target/aimed.ts";
import type { TargetFlags } from "../target/flags.ts";

/** More ids in one line help nobody. */
const MOST_NAMED = 5;

/** Finds the one run that an id means: a run's own, or a message's or a correlation id that only one run has. */
export async function oneRun(operator: Operator, id: string, flags: TargetFlags): Promise<RunKey> {
  const found = await operator.find(id);
  if (!found)
    throw new Refusal(
      `No run has the id ${id}, and no message of a run has it as its id or correlation id. List runs with: ${commandHere(["runs", "ls"], flags)}`,
    );
  return onlyOne(found, id);
}

/** Takes the one run that was found by an id. Throws a Refusal that names some if it means several. */
export function onlyOne(found: RunsFound, id: string): RunKey {
  const meant = meantOf(found.keys);
  if (meant) return meant;
  const newest = found.keys.toSorted((a, b) => byAge(b, a)).slice(0, MOST_NAMED);
  const count = `${found.isMore ? "More than " : ""}${found.keys.length}`;
  const which = found.isCut ? "some of them" : "the newest";
  throw new Refusal(
    `${count} runs have the ${found.by} ${id}. Give the id of one run; ${which} are: ${newest.map(runId).join(" ")}`,
  );
}

/** Takes what a view answered about a run that was there just now. */
export function known<T>(answer: T | "newer" | undefined, key: RunKey): T {
  if (answer === undefined) throw new Refusal(`Run ${runId(key)} is gone. Its history ended just now.`);
  if (answer === "newer")
    throw new Refusal(
      `A newer release of the Dispatcher wrote the row of run ${runId(key)}. Use that release's command.`,
    );
  return answer;
}
