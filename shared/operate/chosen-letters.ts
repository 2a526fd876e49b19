import type { LookDependencies } from "../dependencies.ts";
import { browsePages } from "../observe/browse-pages.ts";
import { knownSources } from "../observe/open-runs.ts";
import type { LettersWanted } from "../ports/run-table.ts";
import { type NotedLetter, nameOfRun, nameOnLetter } from "../run/dead-letter.ts";
import type { PeekedMessage } from "../run/message.ts";
import { type Source, sourceKey } from "../run/source.ts";

/** Which dead letters a person chose: by what they have in common, or one by one. */
export type LettersChosen = LettersWanted | readonly NotedLetter[];

/** The chosen dead letters of one source, by the names of their runs. */
export interface ChosenOfSource {
  readonly source: Source;
  readonly letters: ReadonlyMap<string, NotedLetter>;
}

/** A message of a dead letter queue, and the letter that it is if that was chosen. */
export interface LetterSeen {
  readonly message: PeekedMessage;
  readonly letter: NotedLetter | undefined;
}

/** Rows that are read at once. */
const ROWS = 1_000;

/** Lists the chosen letters, source by source, as their rows note them. Those without any are left out. */
export async function chooseLetters(deps: LookDependencies, chosen: LettersChosen): Promise<ChosenOfSource[]> {
  if (isList(chosen)) return bySource(chosen);
  const letters: NotedLetter[] = [];
  for (const source of await knownSources(deps))
    for (let page: readonly NotedLetter[] | undefined; page === undefined || page.length === ROWS; ) {
      page = await deps.table.deadLetters(source, chosen, ROWS, page?.at(-1));
      letters.push(...page);
    }
  return bySource(letters);
}

function isList(chosen: LettersChosen): chosen is readonly NotedLetter[] {
  return Array.isArray(chosen);
}

function bySource(letters: readonly NotedLetter[]): ChosenOfSource[] {
  const found = new Map<string, { source: Source; letters: Map<string, NotedLetter> }>();
  for (const letter of letters) {
    const key = sourceKey(letter.source);
    const of = found.get(key) ?? { source: letter.source, letters: new Map<string, NotedLetter>() };
    found.set(key, of);
    of.letters.set(nameOfRun(letter), letter);
  }
  return [...found.values()];
}

/**
 * Peeks through a dead letter queue from the front, until all chosen letters were seen or its end is reached. Whatever
 * has a chosen run's stamp, or its number if the stamp had no room, is that run's letter: the service does not promise
 * that a letter keeps its number. Of two with one stamp the first counts.
 */
export async function* lookThrough(
  deps: Pick<LookDependencies, "broker">,
  { source, letters }: ChosenOfSource,
): AsyncGenerator<LetterSeen> {
  const missing = new Set(letters.keys());
  if (missing.size === 0) return;
  for await (const page of browsePages(deps, { deadLettersOf: source })) {
    for (const message of page) {
      const run = nameOnLetter(source, message);
      yield { message, letter: missing.delete(run) ? letters.get(run) : undefined };
    }
    if (missing.size === 0) return;
  }
}
