import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";
import Long from "long";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bareLockToken } from "../../shared/adapters/service-bus/bare-lock-token.ts";
import type { Source } from "../../shared/run/source.ts";
import { type BusUser, numberOf, tokenOf } from "../support/bus-user.ts";

/** An empty source, whose locks last a minute, and a user who works in its dead letter queue with the plain SDK. */
export interface DeadLetterHarness {
  readonly source: Source;
  readonly user: BusUser;
  passTime(ms: number): Promise<void>;
}

/** Checks the bus's own rules of a dead letter queue, on the local bus and on the real one alike. */
export function describeDeadLetterQueue(name: string, open: () => Promise<DeadLetterHarness>): void {
  describe.each([
    { way: "on its link", held: (letter: ServiceBusReceivedMessage) => letter },
    { way: "over the management", held: (letter: ServiceBusReceivedMessage) => bareLockToken(tokenOf(letter)) },
  ])(`${name} about a dead letter that is settled $way:`, ({ held }) => {
    let harness: DeadLetterHarness;
    let letters: ServiceBusReceiver;
    /** Sends a message, and dead-letters it. */
    beforeEach(async () => {
      harness = await open();
      const { source, user } = harness;
      await user.send("queue" in source ? source.queue : source.topic, { body: "x", subject: "s" });
      const receiver = user.receiver(source);
      const reason = { deadLetterReason: "Why", deadLetterErrorDescription: "in words" };
      await receiver.deadLetterMessage(await user.receive(receiver), reason);
      await receiver.close();
      letters = user.receiver(source, { deadLetter: true });
    });
    afterEach(() => letters?.close());

    const receive = () => harness.user.receive(letters);
    // Without a number the SDK goes on after what it peeked at last.
    const peek = (receiver = letters) => receiver.peekMessages(1, { fromSequenceNumber: Long.ONE });
    const byNumber = async (letter: ServiceBusReceivedMessage) => {
      const [again] = await letters.receiveDeferredMessages(Long.fromNumber(numberOf(letter)));
      if (again === undefined) throw new Error("The letter can't be received by its number.");
      return again;
    };
    const identity = ({ sequenceNumber, enqueuedTimeUtc, subject, deadLetterReason }: ServiceBusReceivedMessage) => ({
      sequenceNumber: sequenceNumber?.toNumber(),
      enqueuedAt: enqueuedTimeUtc?.getTime(),
      subject,
      deadLetterReason,
    });

    it("can be deferred, peeked at, received by its number and completed", async () => {
      const letter = await receive();
      await letters.deferMessage(held(letter), { step: 1 });
      const [peeked] = await peek();
      expect(peeked).toMatchObject({ state: "deferred", applicationProperties: { step: 1 } });
      const again = await byNumber(letter);
      expect(again.state).toBe("deferred");
      expect(identity(again)).toEqual(identity(letter));
      expect(again.deadLetterReason).toBe("Why");
      await letters.completeMessage(held(again));
      expect(await peek()).toEqual([]);
      expect(await peek(harness.user.receiver(harness.source))).toEqual([]);
    });

    it("stays deferred if it is deferred and abandoned, carries the stamp, and counts no delivery", async () => {
      const letter = await receive();
      await letters.deferMessage(held(letter));
      const before = await byNumber(letter);
      await letters.abandonMessage(held(before), { step: 2 });
      const [peeked] = await peek();
      expect(peeked).toMatchObject({ state: "deferred", applicationProperties: { step: 2 } });
      const after = await byNumber(letter);
      expect(after.deliveryCount).toBe(before.deliveryCount);
      expect(identity(after)).toEqual(identity(letter));
    });

    it("comes again if it is abandoned or its lock lapses, and counts no delivery", async () => {
      const letter = await receive();
      await letters.abandonMessage(held(letter), { step: 3 });
      const abandoned = await receive();
      expect(abandoned).toMatchObject({ applicationProperties: { step: 3 }, deliveryCount: letter.deliveryCount });
      await harness.passTime(61_000);
      const lapsed = await receive();
      expect(lapsed).toMatchObject({ applicationProperties: { step: 3 }, deliveryCount: letter.deliveryCount });
      expect(identity(lapsed)).toEqual(identity(letter));
    });

    it("can't be dead-lettered again, and its receiver still holds it", async () => {
      const letter = await receive();
      const refused = { code: "GeneralError" };
      await expect(letters.deadLetterMessage(held(letter))).rejects.toMatchObject(refused);
      await letters.deferMessage(bareLockToken(tokenOf(letter)));
      const again = await byNumber(letter);
      await expect(letters.deadLetterMessage(held(again))).rejects.toMatchObject(refused);
      await letters.completeMessage(bareLockToken(tokenOf(again)));
      expect(await peek()).toEqual([]);
    });
  });
}
