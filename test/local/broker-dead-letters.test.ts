import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import Long from "long";
import { afterEach, describe, expect, it } from "vitest";
import type { QueueConfig } from "../../local/broker/entities.ts";
import { bareLockToken } from "../../shared/adapters/service-bus/bare-lock-token.ts";
import type { Source } from "../../shared/run/source.ts";
import { numberOf, tokenOf } from "../support/bus-user.ts";
import { type LocalBus, startLocalBus } from "../support/local-broker-harness.ts";

const MINUTE = 60_000;

/** The two kinds of a source, and two ways to settle: on the link that brought the letter, and by its token alone. */
const CASES = [
  { name: "a queue, on the link", source: { queue: "q" }, isOnLink: true },
  { name: "a queue, over the management", source: { queue: "q" }, isOnLink: false },
  { name: "a subscription, on the link", source: { topic: "t", subscription: "s" }, isOnLink: true },
  { name: "a subscription, over the management", source: { topic: "t", subscription: "s" }, isOnLink: false },
] as const satisfies readonly { name: string; source: Source; isOnLink: boolean }[];

describe.each(CASES)("the dead letter queue of $name, in the local broker:", ({ source, isOnLink }) => {
  let bus: LocalBus;
  let letters: ServiceBusReceiver;
  afterEach(() => bus.close());

  /** Sends a message, dead-letters it, and opens the dead letter queue. */
  const openWithLetter = async (settings: Partial<QueueConfig> = {}, message: { timeToLive?: number } = {}) => {
    const own = { lockDurationMs: MINUTE, ...settings };
    bus = await startLocalBus({
      queues: [{ name: "q", ...own }],
      topics: [{ name: "t", subscriptions: [{ name: "s", ...own }] }],
    });
    await bus.send("queue" in source ? source.queue : source.topic, { body: "x", ...message });
    const receiver = bus.receiver(source);
    const original = await bus.receive(receiver);
    await receiver.deadLetterMessage(original, { deadLetterReason: "Why", deadLetterErrorDescription: "in words" });
    letters = bus.receiver(source, { deadLetter: true });
    return original;
  };
  const held = (message: ServiceBusReceivedMessage) => (isOnLink ? message : bareLockToken(tokenOf(message)));
  const byNumber = async (message: ServiceBusReceivedMessage) => {
    const [again] = await letters.receiveDeferredMessages(Long.fromNumber(numberOf(message)));
    if (again === undefined) throw new Error("The letter can't be received by its number.");
    return again;
  };
  const facts = ({ sequenceNumber, enqueuedTimeUtc, deliveryCount }: ServiceBusReceivedMessage) => ({
    sequenceNumber: sequenceNumber?.toNumber(),
    enqueuedAt: enqueuedTimeUtc?.getTime(),
    deliveryCount,
  });

  it("a letter can be deferred, peeked at, received by its number and completed", async () => {
    const original = await openWithLetter();
    const letter = await bus.receive(letters);
    expect(facts(letter)).toEqual(facts(original));
    await letters.deferMessage(held(letter), { step: 1 });
    const [peeked] = await letters.peekMessages(1);
    expect(peeked).toMatchObject({ state: "deferred", deadLetterReason: "Why", applicationProperties: { step: 1 } });
    const again = await byNumber(letter);
    expect(facts(again)).toEqual(facts(original));
    expect(again.body.toString()).toBe('"x"');
    await letters.completeMessage(held(again));
    expect(await letters.peekMessages(1)).toEqual([]);
    expect(await bus.receiver(source).peekMessages(1)).toEqual([]);
  });

  it("a deferred letter that is abandoned stays deferred, carries the stamp, and counts no delivery", async () => {
    const original = await openWithLetter();
    const letter = await bus.receive(letters);
    await letters.deferMessage(held(letter));
    await letters.abandonMessage(held(await byNumber(letter)), { step: 2 });
    const [peeked] = await letters.peekMessages(1);
    expect(peeked).toMatchObject({ state: "deferred", applicationProperties: { step: 2 } });
    expect(facts(await byNumber(letter))).toEqual(facts(original));
  });

  it("a letter whose lock lapses, or that is abandoned, counts no delivery, and never leaves", async () => {
    await openWithLetter({ maxDeliveryCount: 2 });
    for (let round = 0; round < 3; round += 1) {
      await letters.abandonMessage(held(await bus.receive(letters)), { round });
      await bus.receive(letters);
      bus.passTime(MINUTE + 1);
    }
    const letter = await bus.receive(letters);
    expect(letter).toMatchObject({ deliveryCount: 0, state: "active", applicationProperties: { round: 2 } });
    await letters.deferMessage(held(letter));
    await byNumber(letter);
    bus.passTime(MINUTE + 1);
    expect(await byNumber(letter)).toMatchObject({ deliveryCount: 0, state: "deferred" });
  });

  it("a letter can't be dead-lettered again, and its receiver still holds it", async () => {
    await openWithLetter();
    const letter = await bus.receive(letters);
    await expect(letters.deadLetterMessage(held(letter))).rejects.toMatchObject({
      code: "GeneralError",
      message: expect.stringContaining("InvalidOperationError"),
    });
    await letters.deferMessage(bareLockToken(tokenOf(letter)));
    const again = await byNumber(letter);
    await expect(letters.deadLetterMessage(held(again))).rejects.toThrow(/InvalidOperationError/);
    await letters.completeMessage(held(again));
  });

  it("a letter does not expire", async () => {
    await openWithLetter({ deadLetteringOnExpiration: true }, { timeToLive: 1_000 });
    bus.passTime(2_000);
    const letter = await bus.receive(letters);
    await letters.deferMessage(held(letter));
    bus.passTime(MINUTE);
    const again = await byNumber(letter);
    expect(again).toMatchObject({ deadLetterReason: "Why", state: "deferred" });
  });
});
