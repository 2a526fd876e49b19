import type { Dependencies, LookDependencies } from "../../dependencies.ts";
import { browsePages } from "../../observe/browse-pages.ts";
import { sourcesInOrder } from "../../observe/open-runs.ts";
import { present } from "../../plain-data.ts";
import { type SeenLetter, seeLetters } from "../../redrive/letters.ts";
import type { LetterHindrance } from "../../run/redrive.ts";
import { isSameId, type RunKey, runId } from "../../run/run.ts";
import { sourceKey } from "../../run/source.ts";
import { runsNamed } from "../run-named.ts";
import { neverNamed } from "./cursor.ts";
import { type LetterOnBus, onBusOf } from "./dead-letters.ts";
import { MOST_SCANNED } from "./scanning.ts";

/**
 * A dead letter of which no run of this Dispatcher knows: the bus put it there, its sender, or another program. Its key is
 * the one that its run will have if it is redriven.
 */
export interface OtherLetter extends RunKey {
  readonly messageId?: string;
  readonly subject?: string;
  /** Why it lies there, as the bus or a program wrote it on the letter. */
  readonly reason?: string;
  readonly description?: string;
  /** The module that takes it by today's files; empty if none does. */
  readonly module: string;
  /** Why it can't be redriven; missing if it can. */
  readonly hindrance?: LetterHindrance;
  /** What is wrong with it for its module. */
  readonly problem?: string;
}

/** A page of such letters. */
export interface OtherLettersPage {
  /** Source by source, in the order in which they lie there. */
  readonly letters: readonly OtherLetter[];
  /** How many letters were peeked at for it, those of runs too. */
  readonly scanned: number;
  /** The letter behind which the next page begins. Undefined after the last page. */
  readonly next: RunKey | undefined;
}

/** Such a letter, as it lies on the bus. */
export interface OtherLetterShown {
  readonly letter: OtherLetter;
  readonly onBus: LetterOnBus;
}

interface OtherDependencies extends LookDependencies {
  readonly instanceTable: LookDependencies["instanceTable"] & Pick<Dependencies["instanceTable"], "owner">;
}

/**
 * Lists at most `limit` dead letters of others, of all sources; with `after`, only those behind the one with this id.
 * Peeks through the dead letter queues, 5,000 letters at most for one page, so that a page may be short and yet have a
 * next one. Rejects with a WrongQueryError if `after` is of no source, and with an UnavailableError.
 */
export async function otherLetters(
  deps: OtherDependencies,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Promise<OtherLettersPage> {
  const [place] = after === undefined ? [] : await runsNamed(deps, after);
  if (after !== undefined && !place) throw neverNamed();
  const letters: OtherLetter[] = [];
  let scanned = 0;
  let last: RunKey | undefined;
  const sources = await sourcesInOrder(deps);
  for (const source of sources) {
    if (place && sourceKey(source) < sourceKey(place.source)) continue;
    const from = place && sourceKey(source) === sourceKey(place.source) ? place.sequenceNumber + 1 : 0;
    for await (const page of browsePages(deps, { deadLettersOf: source }, from))
      for (const seen of await seeLetters(deps, source, page)) {
        const isListed = seen.run === undefined;
        // One more tells whether another page follows.
        if (scanned === MOST_SCANNED || (isListed && letters.length === limit)) return { letters, scanned, next: last };
        scanned += 1;
        last = { source, sequenceNumber: seen.letter.sequenceNumber, enqueuedAt: seen.letter.enqueuedAt };
        if (isListed) letters.push(otherLetterOf(seen));
      }
  }
  return { letters, scanned, next: undefined };
}

/**
 * Shows a dead letter of others by the id that its run would have. Undefined if there is none. Costs the list of sources,
 * and a peek and a request to the table for each source of that name. Body and properties are shown only if they are
 * asked for. Rejects with an UnavailableError.
 */
export async function otherLetter(
  deps: OtherDependencies,
  id: string,
  { withContent = false }: { readonly withContent?: boolean } = {},
): Promise<OtherLetterShown | undefined> {
  for (const { source, sequenceNumber } of await runsNamed(deps, id)) {
    const message = await deps.broker.peek({ deadLettersOf: source }, sequenceNumber);
    const [seen] = message ? await seeLetters(deps, source, [message]) : [];
    if (seen && seen.run === undefined && isSameId(runId(seen.original), id))
      return { letter: otherLetterOf(seen), onBus: onBusOf(seen.letter, withContent) };
  }
  return undefined;
}

function otherLetterOf({ letter, original, judgement, hindrance }: SeenLetter): OtherLetter {
  const { messageId, subject, properties } = letter;
  return {
    ...original,
    module: judgement.fits ? judgement.module.name : judgement.module,
    ...present({
      messageId,
      subject,
      reason: textOf(properties["DeadLetterReason"]),
      description: textOf(properties["DeadLetterErrorDescription"]),
      hindrance,
      problem: judgement.fits ? undefined : judgement.problem,
    }),
  };
}

/** A sender may write anything there. */
function textOf(property: unknown): string | undefined {
  return typeof property === "string" && property !== "" ? property : undefined;
}
