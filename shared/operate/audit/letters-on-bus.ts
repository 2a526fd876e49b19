import type { Dependencies } from "../../dependencies.ts";
import { placeOfMessage } from "../../ports/message-broker.ts";
import type { Source } from "../../run/source.ts";
import type { OpenRow } from "./open-rows.ts";

/** Letters that are peeked at in one request. */
const PAGE = 250;

/**
 * Finds the redriven runs of a source whose letters are in the dead letter queue, deferred or not. Their numbers are
 * known, so that it peeks at them alone, and at those whose numbers are near each other in one request.
 */
export async function lettersOnBus(
  { broker }: Pick<Dependencies, "broker">,
  source: Source,
  redriven: readonly OpenRow[],
): Promise<ReadonlySet<OpenRow>> {
  const sought = redriven
    .map((row) => ({ row, place: placeOfMessage(row.key) }))
    .toSorted((a, b) => a.place.sequenceNumber - b.place.sequenceNumber);
  const found = new Set<OpenRow>();
  for (let at = 0; ; ) {
    const first = sought[at]?.place.sequenceNumber;
    if (first === undefined) return found;
    const near = sought.slice(at, at + PAGE).filter(({ place }) => place.sequenceNumber < first + PAGE);
    at += near.length;
    const last = near.at(-1)?.place.sequenceNumber ?? first;
    // So many letters reach at least to the last number, because no two have the same one.
    const letters = await broker.browse({ deadLettersOf: source }, first, last - first + 1);
    const enqueuedAt = new Map(letters.map((letter) => [letter.sequenceNumber, letter.enqueuedAt]));
    for (const { row, place } of near) if (enqueuedAt.get(place.sequenceNumber) === place.enqueuedAt) found.add(row);
  }
}
