import type { Dependencies } from "../../dependencies.ts";
import type { PeekedMessage } from "../../run/message.ts";
import type { RunKey } from "../../run/run.ts";

/** Peeks at the message of a run. Undefined if it is not there, or not deferred. */
export async function peekDeferred(
  { broker }: Pick<Dependencies, "broker">,
  { source, sequenceNumber, enqueuedAt }: RunKey,
): Promise<PeekedMessage | undefined> {
  const message = await broker.peek(source, sequenceNumber);
  return message?.state === "deferred" && message.enqueuedAt === enqueuedAt ? message : undefined;
}
