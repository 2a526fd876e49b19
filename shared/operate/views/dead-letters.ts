import type { LookDependencies } from "../../dependencies.ts";
import { knownSources } from "../../observe/open-runs.ts";
import type { LettersWanted } from "../../ports/run-table.ts";
import { type NotedLetter, notedLetter } from "../../run/dead-letter.ts";
import type { ClosedRun, ClosedStatus } from "../../run/run.ts";
import { sourceKey } from "../../run/source.ts";
import { runsNamed } from "../run-named.ts";

/** A page of dead letters. */
export interface LettersPage {
  readonly letters: readonly NotedLetter[];
  /** Whether another page follows, which begins behind the last one of these. */
  readonly isMore: boolean;
}

/**
 * Lists at most `limit` dead letters of all sources: source by source, by module, reason and group, and the newest of
 * each group first. With `after`, only those behind that one. Costs the list of sources, and a request for each source
 * and each 1,000 letters. A reason without its module, or a group without both, is looked for among all letters of the
 * source or the module.
 */
export async function deadLetters(
  deps: LookDependencies,
  wanted: LettersWanted,
  { limit, after }: { readonly limit: number; readonly after?: NotedLetter | undefined },
): Promise<LettersPage> {
  const letters: NotedLetter[] = [];
  const sources = (await knownSources(deps)).toSorted((a, b) => (sourceKey(a) < sourceKey(b) ? -1 : 1));
  for (const source of sources) {
    const place = after && sourceKey(after.source);
    if (place !== undefined && sourceKey(source) < place) continue;
    const last = sourceKey(source) === place ? after : undefined;
    // One more tells whether another page follows.
    letters.push(...(await deps.table.deadLetters(source, wanted, limit + 1 - letters.length, last)));
    if (letters.length > limit) break;
  }
  return { letters: letters.slice(0, limit), isMore: letters.length > limit };
}

/** What is known of one dead letter, or why it is none. */
export type DeadLetterFound =
  | { readonly kind: "dead letter"; readonly letter: NotedLetter; readonly run: ClosedRun }
  /** Neither the modules nor the table know a source by which the id begins. */
  | { readonly kind: "unknown source" }
  /** A queue and a subscription have the same name, and each has such a run. */
  | { readonly kind: "ambiguous name" }
  | { readonly kind: "no such run" }
  /** A newer release wrote the run's row. */
  | { readonly kind: "newer row" }
  /** The run is open, and its message not settled yet. */
  | { readonly kind: "open" }
  /** The run is over, and its message was not dead-lettered. */
  | { readonly kind: "other end"; readonly status: ClosedStatus };

/** Shows a dead letter by the id of its run. Costs the list of sources, and two requests for each source of that name. */
export async function deadLetter(deps: LookDependencies, id: string): Promise<DeadLetterFound> {
  const keys = await runsNamed(deps, id);
  if (keys.length === 0) return { kind: "unknown source" };
  const found = (await Promise.all(keys.map((key) => deps.table.find(key)))).filter(({ kind }) => kind !== "none");
  const [run, another] = found;
  if (another) return { kind: "ambiguous name" };
  if (!run || run.kind === "none") return { kind: "no such run" };
  if (run.kind === "newer") return { kind: "newer row" };
  if (run.kind === "open") return { kind: "open" };
  const letter = notedLetter(run.run);
  return letter ? { kind: "dead letter", letter, run: run.run } : { kind: "other end", status: run.run.status };
}
