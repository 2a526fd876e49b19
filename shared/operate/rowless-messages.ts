import type { Dependencies } from "../dependencies.ts";
import { browsePages } from "../observe/browse-pages.ts";
import { messagesWithoutOpenRun } from "../observe/orphan-messages.ts";
import type { RunKey } from "../run/run.ts";
import type { Source } from "../run/source.ts";
import { ownerOf } from "../run/stamp.ts";

/**
 * Peeks through a whole source for deferred messages that this owner has stamped and that have no row, open or closed.
 * Names the runs that they would be, page by page, because there may be a message for each row of a table that was lost.
 */
export async function* rowlessMessages(
  deps: Pick<Dependencies, "broker" | "table">,
  source: Source,
  owner: string,
): AsyncGenerator<readonly RunKey[]> {
  const { runs: atWork } = await deps.table.atWork(source);
  for await (const page of browsePages(deps, source)) {
    const stamped = page.filter((message) => ownerOf(message) === owner);
    const found: RunKey[] = [];
    for (const { key } of await messagesWithoutOpenRun(deps, source, stamped, atWork))
      if ((await deps.table.find(key)).kind === "none") found.push(key);
    if (found.length > 0) yield found;
  }
}
