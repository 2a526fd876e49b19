import type { LookDependencies } from "../../dependencies.ts";
import { type NotedLetter, nameOfRun } from "../../run/dead-letter.ts";
import type { PeekedMessage } from "../../run/message.ts";
import { chooseLetters, type LettersChosen, lookThrough } from "../chosen-letters.ts";

/** A dead letter as its row notes it, and whole. */
export interface ExportedLetter {
  readonly letter: NotedLetter;
  /** The message as a peek shows it; undefined if it is not on the bus any more. */
  readonly message: PeekedMessage | undefined;
}

/**
 * Gives the chosen dead letters, those on the bus first, in the order in which they lie there. It peeks through each
 * dead letter queue once, and locks nothing. `onLook` is told how many messages it has looked at.
 */
export async function* exportLetters(
  deps: LookDependencies,
  chosen: LettersChosen,
  onLook: (looked: number) => void = () => {},
): AsyncGenerator<ExportedLetter> {
  let looked = 0;
  for (const ofSource of await chooseLetters(deps, chosen)) {
    const gone = new Map(ofSource.letters);
    for await (const { letter, message } of lookThrough(deps, ofSource)) {
      onLook((looked += 1));
      if (letter === undefined) continue;
      gone.delete(nameOfRun(letter));
      yield { letter, message };
    }
    for (const letter of gone.values()) yield { letter, message: undefined };
  }
}
