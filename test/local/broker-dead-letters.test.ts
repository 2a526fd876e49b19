import type { ServiceBusReceiver } from "@azure/service-bus";
import Long from "long";
import { afterEach, describe, expect, it } from "vitest";
import type { QueueConfig } from "../../local/broker/entities.ts";
import { type LocalBus, startLocalQueue } from "../support/local-broker-harness.ts";

const MINUTE = 60_000;
const source = { queue: "q" };

// `dead-letter-queue.contract.ts` has the rules that the real bus is asked for, too.
describe("a letter in a dead letter queue of the local broker", () => {
  let bus: LocalBus;
  let letters: ServiceBusReceiver;
  afterEach(() => bus.close());

  /** Sends a message, dead-letters it, and opens the dead letter queue. */
  const openWithLetter = async (settings: Partial<QueueConfig> = {}, message: { timeToLive?: number } = {}) => {
    bus = await startLocalQueue(settings);
    await bus.send("q", { body: "x", ...message });
    const receiver = bus.receiver(source);
    const original = await bus.receive(receiver);
    await receiver.deadLetterMessage(original);
    letters = bus.receiver(source, { deadLetter: true });
    return original;
  };
  const byNumber = async () => {
    const [letter] = await letters.receiveDeferredMessages(Long.ONE);
    if (letter === undefined) throw new Error("The letter can't be received by its number.");
    return letter;
  };

  it("keeps the number, the time and the delivery count that it had as a message, also if it is deferred", async () => {
    const { sequenceNumber, enqueuedTimeUtc, deliveryCount } = await openWithLetter();
    const facts = { sequenceNumber, enqueuedTimeUtc, deliveryCount };
    const letter = await bus.receive(letters);
    expect(letter).toMatchObject(facts);
    await letters.deferMessage(letter);
    await letters.deferMessage(await byNumber());
    expect(await byNumber()).toMatchObject(facts);
  });

  it("can't be dead-lettered again, which is an operation that is not allowed", async () => {
    await openWithLetter();
    const letter = await bus.receive(letters);
    await expect(letters.deadLetterMessage(letter)).rejects.toThrow(/^InvalidOperationError: /);
  });

  it("never leaves for being delivered too often", async () => {
    await openWithLetter({ maxDeliveryCount: 1 });
    for (let round = 0; round < 3; round += 1) {
      await letters.abandonMessage(await bus.receive(letters));
      await bus.receive(letters);
      bus.passTime(MINUTE + 1);
    }
    await letters.deferMessage(await bus.receive(letters));
    await byNumber();
    bus.passTime(MINUTE + 1);
    expect(await byNumber()).toMatchObject({ deliveryCount: 0, state: "deferred" });
  });

  it("does not expire", async () => {
    await openWithLetter({ deadLetteringOnExpiration: true }, { timeToLive: 1_000 });
    bus.passTime(2_000);
    await letters.deferMessage(await bus.receive(letters));
    bus.passTime(MINUTE);
    expect(await byNumber()).toMatchObject({ state: "deferred" });
  });
});
