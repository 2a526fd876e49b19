import type { Looking } from "../dependencies.ts";
import type { MessageSeen } from "../run/decide.ts";
import type { PeekedMessage } from "../run/message.ts";
import type { RunKey } from "../run/run.ts";

export type Sighting =
  | { readonly message: Exclude<MessageSeen, "deferred" | "gone"> }
  | { readonly message: "deferred"; readonly peeked: PeekedMessage };

/** Peeks at a run's message. A peek changes nothing. `decide` says whether an absence is to be believed. */
export async function lookAtMessage({ broker }: Pick<Looking, "broker">, run: RunKey): Promise<Sighting> {
  const peeked = await broker.peek(run.source, run.sequenceNumber);
  // guard: enqueued-time-in-peek
  // If another message has the number, the entity was recreated, and the run's message went with the old one.
  const isOurs = peeked?.enqueuedAt === run.enqueuedAt;
  if (!peeked || !isOurs) return { message: "absent" };
  return peeked.state === "deferred" ? { message: "deferred", peeked } : { message: "active" };
}
