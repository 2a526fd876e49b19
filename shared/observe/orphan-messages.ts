import type { PeekedMessage } from "../run/message.ts";
import { type Run, type RunKey, runId } from "../run/run.ts";
import type { Source } from "../run/source.ts";

/** A deferred message that no open run speaks of, and the identity of the run that it should have. */
export interface OrphanMessage {
  readonly key: RunKey;
  readonly message: PeekedMessage;
}

/**
 * Finds the deferred messages of a page that none of these open runs speaks of. Only the message's own row can tell
 * whether it is an orphan, because its run may have been closed, or opened, since the runs were read.
 */
export function* messagesWithoutOpenRun(
  source: Source,
  page: readonly PeekedMessage[],
  runs: Iterable<Run>,
): Generator<OrphanMessage> {
  const open = new Set([...runs].map(runId));
  for (const message of page) {
    const key: RunKey = { source, sequenceNumber: message.sequenceNumber, enqueuedAt: message.enqueuedAt };
    if (message.state === "deferred" && !open.has(runId(key))) yield { key, message };
  }
}

/** Names the instance that deferred a message, by its owner id; undefined if the message carries no stamp. */
export function ownerOf({ properties }: PeekedMessage): string | undefined {
  const owner = properties["dispatcher-owner"];
  return typeof owner === "string" ? owner : undefined;
}
