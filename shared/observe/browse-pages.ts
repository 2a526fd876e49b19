import type { Looking } from "../dependencies.ts";
import type { Entity } from "../ports/message-broker.ts";
import type { PeekedMessage } from "../run/message.ts";

/** Messages that are peeked at in one request. */
const PAGE = 250;

/** Peeks through all messages of an entity, page by page, in order. */
export async function* browsePages(
  { broker }: { readonly broker: Pick<Looking["broker"], "browse"> },
  entity: Entity,
): AsyncGenerator<readonly PeekedMessage[]> {
  for (let next = 0; ; ) {
    const page = await broker.browse(entity, next, PAGE);
    yield page;
    const last = page.at(-1);
    if (!last || page.length < PAGE) return;
    next = last.sequenceNumber + 1;
  }
}
