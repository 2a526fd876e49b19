import type { Dependencies } from "../dependencies.ts";
import { route } from "../modules/route.ts";
import type { PeekedMessage } from "../run/message.ts";
import { type RunKey, runId } from "../run/run.ts";
import type { Source } from "../run/source.ts";

/** A deferred message of which no row speaks. */
export interface OrphanMessage {
  readonly key: RunKey;
  readonly message: PeekedMessage;
  /** Whose stamp it carries; undefined where it carries none. */
  readonly owner: string | undefined;
  /** The module that takes it; undefined where none does. */
  readonly module: string | undefined;
}

const PAGE = 250;

/** All deferred messages of a source that have no row, open or closed, oldest first. Peeks through the whole source. */
export async function orphanMessages(deps: Dependencies, source: Source): Promise<OrphanMessage[]> {
  const open = new Set((await deps.table.openRuns(source)).map(({ run }) => runId(run)));
  const strays: OrphanMessage[] = [];
  let next = 0;
  for (;;) {
    const page = await deps.broker.browse(source, next, PAGE);
    for (const message of page) {
      const key: RunKey = { source, sequenceNumber: message.sequenceNumber, enqueuedAt: message.enqueuedAt };
      if (message.state !== "deferred" || open.has(runId(key))) continue;
      if ((await deps.table.find(key)).kind !== "none") continue;
      strays.push({
        key,
        message,
        owner: ownerOf(message),
        module: route(deps.modules.values(), source, message)?.name,
      });
    }
    const last = page.at(-1);
    if (!last || page.length < PAGE) return strays;
    next = last.sequenceNumber + 1;
  }
}

/** Whose stamp a message carries. */
export function ownerOf({ properties }: PeekedMessage): string | undefined {
  const owner = properties["dispatcher-owner"];
  return typeof owner === "string" ? owner : undefined;
}
