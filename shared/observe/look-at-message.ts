import type { Looking } from "../dependencies.ts";
import { type MessagePlace, placeOfMessage } from "../ports/message-broker.ts";
import type { MessageSeen } from "../run/decide.ts";
import type { PeekedMessage } from "../run/message.ts";
import { isOfAnother } from "../run/stamp.ts";

interface LookAtMessage extends Pick<Looking, "broker"> {
  readonly instanceTable: Pick<Looking["instanceTable"], "knownOwner">;
}

export type Sighting =
  | { readonly message: Exclude<MessageSeen, "deferred" | "gone"> }
  | { readonly message: "deferred"; readonly peeked: PeekedMessage };

/**
 * Peeks at a run's message. A peek changes nothing. `decide` says whether an absence is to be believed. Rejects with an
 * UnavailableError if the bus is away, or the table is and has to tell whose the message is.
 */
export async function lookAtMessage({ broker, instanceTable }: LookAtMessage, run: MessagePlace): Promise<Sighting> {
  const { source, sequenceNumber, enqueuedAt } = placeOfMessage(run);
  const peeked = await broker.peek(source, sequenceNumber);
  // guard: enqueued-time-in-peek
  // If another message has the number, the entity was recreated, and the run's message went with the old one.
  const isOurs = peeked?.enqueuedAt === enqueuedAt;
  if (!peeked || !isOurs) return { message: "absent" };
  if (peeked.state !== "deferred") return { message: "active" };
  return isOfAnother(peeked, await instanceTable.knownOwner())
    ? { message: "foreign" }
    : { message: "deferred", peeked };
}
