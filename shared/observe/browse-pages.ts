import type { Looking } from "../dependencies.ts";
import type { Entity } from "../ports/message-broker.ts";
import type { PeekedMessage } from "../run/message.ts";

/** Messages that are peeked at in one request. */
const PAGE = 250;

/** Peeks through the messages of an entity from a number on, page by page, in order. */
export async function* browsePages(
  { broker }: { readonly broker: Pick<Looking["broker"], "browse"> },
  entity: Entity,
  from = 0,
): AsyncGenerator<readonly PeekedMessage[]> {
  for (let next = from; ; ) {
    const page = await broker.browse(entity, next, PAGE);
    yield page;
    const last = page.at(-1);
    if (!last || page.length < PAGE) return;
    next = last.sequenceNumber + 1;
  }
}
