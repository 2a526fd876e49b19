import type { Looking } from "../dependencies.ts";
import type { StoredRun } from "../ports/run-table.ts";
import type { PeekedMessage } from "../run/message.ts";
import { type RunKey, runId } from "../run/run.ts";
import type { Source } from "../run/source.ts";

/** A deferred message that no open run speaks of, and the identity of the run that it should have. */
export interface OrphanMessage {
  readonly key: RunKey;
  readonly message: PeekedMessage;
}

/**
 * Finds the deferred messages of a page that no open run speaks of, as far as the runs at work and those that wait can
 * tell. Only the message's own row can tell whether it is an orphan, because its run may have been closed, or opened,
 * since the runs were read.
 */
export async function messagesWithoutOpenRun(
  { table }: Pick<Looking, "table">,
  source: Source,
  page: readonly PeekedMessage[],
  atWork: readonly StoredRun[],
): Promise<OrphanMessage[]> {
  const known = idsAmong(atWork, page);
  const others = page
    .filter(({ state }) => state === "deferred")
    .map((message): OrphanMessage => {
      const { sequenceNumber, enqueuedAt } = message;
      return { key: { source, sequenceNumber, enqueuedAt }, message };
    })
    .filter(({ key }) => !known.has(runId(key)));
  if (others.length === 0) return [];
  const waiting = await table.knownToWait(
    source,
    others.map(({ key }) => key),
  );
  return others.filter(({ key }) => !waiting.has(runId(key)));
}

/**
 * Gives the ids of those runs that have one of these numbers. There may be ten thousand runs, of which few have one, and
 * a number is compared at less cost than an id is made.
 */
export function idsAmong(
  runs: readonly StoredRun[],
  keys: readonly Pick<RunKey, "sequenceNumber">[],
): ReadonlySet<string> {
  const numbers = new Set(keys.map(({ sequenceNumber }) => sequenceNumber));
  return new Set(runs.filter(({ run }) => numbers.has(run.sequenceNumber)).map(({ run }) => runId(run)));
}
