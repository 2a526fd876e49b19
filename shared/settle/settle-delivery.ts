import type { Dependencies } from "../dependencies.ts";
import { LockLostError } from "../errors.ts";
import type { HostLink, LinkAnswer } from "../ports/host-link.ts";
import type { DeadLetter } from "../ports/message-broker.ts";
import type { PeekedMessage, Properties } from "../run/message.ts";
import type { Run, RunKey, Verdict } from "../run/run.ts";
import { isOfAnother, unforged } from "../run/stamp.ts";
import type { Events } from "../telemetry/events.ts";
import { settle } from "./settle-message.ts";

/** A delivery, and its message as the bus shows it. */
export interface DeliveredMessage {
  readonly key: RunKey;
  readonly lockToken: string;
  readonly message: PeekedMessage;
}

type Ports = Pick<Dependencies, "broker" | "hostLink">;

/**
 * Defers the message of a delivery, and stamps it. If it resolves, the message is known to be deferred: the service said
 * so, or a peek. Rejects with LockLostError if the lock is gone and this instance did not defer it. It is in doubt after
 * that and after any other error, so the delivery is to be left: nothing may follow that needs a deferred message.
 */
export async function deferDelivery(
  { broker, hostLink }: Ports,
  { key, lockToken }: DeliveredMessage,
  stamp: Properties,
  events: Events,
): Promise<void> {
  const { source, sequenceNumber, enqueuedAt } = key;
  if (await isDone(hostLink.defer(lockToken, stamp), events)) return;
  try {
    await broker.defer(source, lockToken, stamp);
  } catch (error) {
    if (!(error instanceof LockLostError)) throw error;
    // If the first try took effect, it ended the lock. A deferred message never becomes active again, so one peek is
    // enough. If the lock lapsed, another instance may have received and deferred it.
    const shown = await broker.peek(source, sequenceNumber);
    const isDeferred = shown?.state === "deferred" && shown.enqueuedAt === enqueuedAt;
    // guard: in-doubt-is-left
    if (!isDeferred || isOfAnother(shown, stamp["dispatcher-owner"])) throw error;
  }
}

/** Settles the message of a delivery by a verdict. Rejects, and leaves the delivery, if that is not known to be done. */
export async function settleDelivery(
  { broker, hostLink }: Ports,
  run: Omit<Run, "status">,
  verdict: Verdict,
  { lockToken, message }: DeliveredMessage,
  events: Events,
): Promise<void> {
  // Neither way sees the message, so that what it carries is passed along.
  const ours = (letter: DeadLetter) => ({ ...letter, properties: unforged(letter.properties, message.properties) });
  const answer = settle<LinkAnswer>(run, verdict, {
    complete: () => hostLink.complete(lockToken),
    deadLetter: (letter) => hostLink.deadLetter(lockToken, ours(letter)),
  });
  if (await isDone(answer, events)) return;
  await settle(run, verdict, {
    complete: () => broker.completeLocked(run.source, lockToken),
    deadLetter: (letter) => broker.deadLetterLocked(run.source, lockToken, ours(letter)),
  });
}

/**
 * Says whether the link has settled the message. If not, the caller asks for the same settlement over the management
 * link, which tells why it can't be done. It asks for no other one, because the first may still take effect.
 */
async function isDone(settlement: ReturnType<HostLink["complete"]>, events: Events): Promise<boolean> {
  const answer = await settlement;
  if (answer.kind === "in doubt") events.log.warn("a settlement on the receive link is in doubt", { why: answer.why });
  return answer.kind === "done";
}
