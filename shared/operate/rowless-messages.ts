import type { Dependencies } from "../dependencies.ts";
import { route } from "../modules/route.ts";
import { browsePages } from "../observe/browse-pages.ts";
import { messagesWithoutOpenRun, type OrphanMessage } from "../observe/orphan-messages.ts";
import type { Source } from "../run/source.ts";
import { ownerOf } from "../run/stamp.ts";

/** A deferred message that has no row, open or closed. */
export interface RowlessMessage extends OrphanMessage {
  /** The id of the instance that deferred it; undefined if it carries no stamp. */
  readonly owner: string | undefined;
  /** The module that takes it; undefined if none does. */
  readonly module: string | undefined;
}

/** Finds all deferred messages of a source that have no row, oldest first. Peeks through the whole source. */
export async function rowlessMessages(deps: Dependencies, source: Source): Promise<RowlessMessage[]> {
  const { runs: atWork } = await deps.table.atWork(source);
  const found: RowlessMessage[] = [];
  for await (const page of browsePages(deps, source)) {
    for (const orphan of await messagesWithoutOpenRun(deps, source, page, atWork)) {
      if ((await deps.table.find(orphan.key)).kind !== "none") continue;
      const { message } = orphan;
      found.push({
        ...orphan,
        owner: ownerOf(message),
        module: route(deps.modules.values(), source, message)?.name,
      });
    }
  }
  return found;
}
