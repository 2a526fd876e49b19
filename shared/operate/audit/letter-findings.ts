import type { Dependencies } from "../../dependencies.ts";
import { EntityMissingError } from "../../errors.ts";
import { browsePages } from "../../observe/browse-pages.ts";
import { type NotedLetter, nameOfRun, nameOnLetter } from "../../run/dead-letter.ts";
import { type Source, sourceName } from "../../run/source.ts";
import type { AuditFinding } from "./finding.ts";
import { inFlightMs } from "./in-flight.ts";

/** Rows that are read at a time. */
const ROWS = 1_000;

/**
 * Compares a source's rows of dead letters with its dead letter queue. Peeks through the whole queue first: a letter
 * whose run closed before that began was there by then, so that one look is enough. A letter that no row notes is no
 * finding. It may be a sender's own, or one that the bus made.
 */
export async function letterFindings(
  deps: Dependencies,
  source: Source,
  tell: (more: number) => void,
): Promise<AuditFinding[]> {
  const settledBefore = deps.clock.now() - inFlightMs(deps);
  const onBus = await lettersOn(deps, source, tell);
  if (!onBus) return [];
  const modules = new Map<string, { noted: number; letters: NotedLetter[] }>();
  for (let page: readonly NotedLetter[] | undefined; page === undefined || page.length === ROWS; ) {
    page = await deps.table.deadLetters(source, {}, ROWS, page?.at(-1));
    for (const letter of page) {
      const of = modules.get(letter.module) ?? { noted: 0, letters: [] };
      modules.set(letter.module, of);
      of.noted += 1;
      if (letter.closedAt < settledBefore && !onBus.has(nameOfRun(letter))) of.letters.push(letter);
    }
  }
  return [...modules]
    .filter(([, { letters }]) => letters.length > 0)
    .map(([module, of]) => ({ kind: "letters gone", source: sourceName(source), module, ...of }));
}

/** Names the runs whose letters are in the dead letter queue. Undefined if there is no such entity. */
async function lettersOn(
  deps: Dependencies,
  source: Source,
  tell: (more: number) => void,
): Promise<ReadonlySet<string> | undefined> {
  const found = new Set<string>();
  try {
    for await (const page of browsePages(deps, { deadLettersOf: source })) {
      for (const message of page) found.add(nameOnLetter(source, message));
      tell(page.length);
    }
    return found;
  } catch (error) {
    if (error instanceof EntityMissingError) return undefined;
    throw error;
  }
}
