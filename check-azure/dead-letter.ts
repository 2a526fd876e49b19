import type { ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import type { Source } from "../shared/run/source.ts";
import { receiverOf } from "./bus.ts";

/** How a dead letter came back at each step. Undefined if no message came. */
export interface DeadLetterStory {
  /** The message in its queue or subscription, before it was dead-lettered. */
  readonly original: ServiceBusReceivedMessage | undefined;
  /** The message on the dead letter queue. It was deferred there. */
  readonly letter: ServiceBusReceivedMessage | undefined;
  /** What its number brought, once it was deferred. It was abandoned. */
  readonly deferred: ServiceBusReceivedMessage | undefined;
  /** What came from the dead letter queue after that, without asking for its number. */
  readonly deliveredAgain: ServiceBusReceivedMessage | undefined;
  /** What its number brought again. It was completed. */
  readonly again: ServiceBusReceivedMessage | undefined;
  /** How many dead letters were left in the end. */
  readonly left: number;
}

const WAIT_MS = 20_000;

/** Sends a message, dead-letters it, and then defers, abandons and completes it in the dead letter queue. */
export async function playDeadLetter(
  client: ServiceBusClient,
  source: Source,
  waitMs = WAIT_MS,
): Promise<DeadLetterStory> {
  const sender = client.createSender("queue" in source ? source.queue : source.topic);
  const receiver = receiverOf(client, source, false);
  const letters = receiverOf(client, source, true);
  const next = async (from: ServiceBusReceiver) => (await from.receiveMessages(1, { maxWaitTimeInMs: waitMs }))[0];
  try {
    await sender.sendMessages({ messageId: "dead-letter", body: Buffer.from("a dead letter") });
    const original = await next(receiver);
    if (original)
      await receiver.deadLetterMessage(original, { deadLetterReason: "check", deadLetterErrorDescription: "" });
    const letter = await next(letters);
    const number = letter?.sequenceNumber;
    const byNumber = async () => (number === undefined ? [] : letters.receiveDeferredMessages([number]));
    if (letter) await letters.deferMessage(letter);
    const [deferred] = await byNumber();
    if (deferred) await letters.abandonMessage(deferred);
    const deliveredAgain = await next(letters);
    // If it came, it is no longer deferred, and ends here.
    if (deliveredAgain) await letters.completeMessage(deliveredAgain);
    const [again] = deliveredAgain ? [] : await byNumber();
    if (again) await letters.completeMessage(again);
    const left = (await letters.peekMessages(10)).length;
    return { original, letter, deferred, deliveredAgain, again, left };
  } finally {
    await Promise.all([sender.close(), receiver.close(), letters.close()]);
  }
}
