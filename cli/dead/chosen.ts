import type { LettersChosen } from "../../shared/operate/chosen-letters.ts";
import type { Operator } from "../../shared/operate/operator.ts";
import type { NotedLetter } from "../../shared/run/dead-letter.ts";
import { foundLetter } from "./found-letter.ts";
import { type WantedFlags, wantedOf } from "./wanted.ts";

/**
 * Reads which dead letters are chosen: by the ids of their runs, or else by what they have in common. Rejects with a
 * Refusal if one of the runs has none.
 */
export async function chosenBy(
  operator: Operator,
  { run, ...flags }: WantedFlags & { readonly run?: readonly string[] },
): Promise<LettersChosen> {
  if (run === undefined) return wantedOf(flags);
  const letters: NotedLetter[] = [];
  for (const id of run) letters.push(foundLetter(id, await operator.deadLetter(id)).letter);
  return letters;
}
