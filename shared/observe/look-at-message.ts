import type { Looking } from "../dependencies.ts";
import { type MessagePlace, placeOfMessage } from "../ports/message-broker.ts";
import type { MessageSeen } from "../run/decide.ts";
import type { PeekedMessage } from "../run/message.ts";

export type Sighting =
  | { readonly message: Exclude<MessageSeen, "deferred" | "gone"> }
  | { readonly message: "deferred"; readonly peeked: PeekedMessage };

/** Peeks at a run's message. A peek changes nothing. `decide` says whether an absence is to be believed. */
export async function lookAtMessage({ broker }: Pick<Looking, "broker">, run: MessagePlace): Promise<Sighting> {
  const { source, sequenceNumber, enqueuedAt } = placeOfMessage(run);
  const peeked = await broker.peek(source, sequenceNumber);
  // guard: enqueued-time-in-peek
  // If another message has the number, the entity was recreated, and the run's message went with the old one.
  const isOurs = peeked?.enqueuedAt === enqueuedAt;
  if (!peeked || !isOurs) return { message: "absent" };
  return peeked.state === "deferred" ? { message: "deferred", peeked } : { message: "active" };
}
