import Long from "long";
import { afterEach, describe, expect, it } from "vitest";
import type { QueueConfig } from "../../local/broker/entities.ts";
import { numberOf } from "../support/bus-user.ts";
import { type LocalBus, startLocalQueue } from "../support/local-broker-harness.ts";
import { deferWithLongBoolean, receiveAndSettle, release } from "../support/raw-amqp.ts";

const MINUTE = 60_000;
const source = { queue: "q" };

describe("the local broker, seen by the Service Bus SDK,", () => {
  let bus: LocalBus;
  afterEach(() => bus.close());
  const openQueue = async (settings: Partial<QueueConfig> = {}) => (bus = await startLocalQueue(settings));
  const counts = () => bus.broker.counts()["q"];

  describe("counts deliveries as the service does:", () => {
    it("0 at first, 1 after a defer, 2 after an abandon of the deferred message", async () => {
      await openQueue();
      await bus.send("q", { body: "x" });
      const receiver = bus.receiver(source);
      const first = await bus.receive(receiver);
      await receiver.deferMessage(first);
      const number = Long.fromNumber(numberOf(first));
      const [second] = await receiver.receiveDeferredMessages(number);
      await receiver.abandonMessage(second ?? first);
      const [third] = await receiver.receiveDeferredMessages(number);
      expect([first, second, third].map((message) => message?.deliveryCount)).toEqual([0, 1, 2]);
      expect(third?.state).toBe("deferred");
    });

    it("one more for an abandon, and for a lock that lapsed", async () => {
      await openQueue();
      await bus.send("q", { body: "x" });
      const receiver = bus.receiver(source);
      await receiver.abandonMessage(await bus.receive(receiver));
      expect((await bus.receive(receiver)).deliveryCount).toBe(1);
      bus.passTime(MINUTE + 1);
      expect((await bus.receive(receiver)).deliveryCount).toBe(2);
    });

    it("one more if the lock on a deferred message lapsed, which stays deferred", async () => {
      await openQueue();
      await bus.send("q", { body: "x" });
      const receiver = bus.receiver(source);
      const message = await bus.receive(receiver);
      await receiver.deferMessage(message);
      const number = Long.fromNumber(numberOf(message));
      await receiver.receiveDeferredMessages(number);
      bus.passTime(MINUTE + 1);
      const [again] = await receiver.receiveDeferredMessages(number);
      expect(again?.deliveryCount).toBe(2);
    });

    it("none for a release", async () => {
      await openQueue({ maxDeliveryCount: 1 });
      await bus.send("q", { body: "x" });
      for (let round = 0; round < 3; round += 1) await receiveAndSettle(bus.broker.port, "q", release);
      const [message] = await bus.receiver(source).peekMessages(1);
      expect(message).toMatchObject({ state: "active", deliveryCount: 0 });
    });

    it("none for a peek", async () => {
      await openQueue();
      await bus.send("q", { body: "x" });
      const receiver = bus.receiver(source);
      for (let n = 0; n < 3; n += 1) await receiver.peekMessages(1, { fromSequenceNumber: Long.ONE });
      expect((await bus.receive(receiver)).deliveryCount).toBe(0);
    });

    it.each(["abandonMessage", "deferMessage"] as const)("dead-letters at MaxDeliveryCount, on %s too", async (end) => {
      await openQueue({ maxDeliveryCount: 1 });
      await bus.send("q", { body: "x" });
      const receiver = bus.receiver(source);
      await receiver[end](await bus.receive(receiver));
      const [letter] = await bus.receiver(source, { deadLetter: true }).peekMessages(1);
      expect(letter).toMatchObject({ deadLetterReason: "MaxDeliveryCountExceeded", deliveryCount: 1 });
      expect(counts()).toMatchObject({ active: 0, deferred: 0, deadLettered: 1 });
    });

    it("dead-letters at MaxDeliveryCount when locks lapse, also if the properties leave no space for the reason", async () => {
      await openQueue({ maxDeliveryCount: 2 });
      await bus.send("q", { body: "x", applicationProperties: { a: "a".repeat(32_000), b: "b".repeat(33_400) } });
      const receiver = bus.receiver(source);
      await bus.receive(receiver);
      bus.passTime(MINUTE + 1);
      await bus.receive(receiver);
      bus.passTime(MINUTE + 1);
      expect(counts()).toMatchObject({ active: 0, deadLettered: 1 });
    });
  });

  describe("locks:", () => {
    it("a renewed lock lives on", async () => {
      await openQueue();
      await bus.send("q", { body: "x" });
      const receiver = bus.receiver(source);
      const message = await bus.receive(receiver);
      bus.passTime(MINUTE - 1000);
      const until = await receiver.renewMessageLock(message);
      expect(until.getTime()).toBeGreaterThan((message.enqueuedTimeUtc?.getTime() ?? 0) + MINUTE + 30_000);
      bus.passTime(MINUTE - 1000);
      await receiver.completeMessage(message);
      expect(counts()).toMatchObject({ active: 0, deadLettered: 0 });
    });

    it.each(["completeMessage", "abandonMessage", "deferMessage", "deadLetterMessage", "renewMessageLock"] as const)(
      "%s says MessageLockLost after the lock has lapsed",
      async (settle) => {
        await openQueue();
        await bus.send("q", { body: "x" });
        const receiver = bus.receiver(source);
        const message = await bus.receive(receiver);
        bus.passTime(MINUTE + 1);
        await expect(receiver[settle](message)).rejects.toMatchObject({ code: "MessageLockLost" });
        expect(counts()).toMatchObject({ active: 1, deferred: 0, deadLettered: 0 });
      },
    );

    it("two neighbours settled one way and the other each get their own answer", async () => {
      await openQueue();
      const receiver = bus.receiver(source);
      await bus.send("q", { body: "a" });
      const stale = await bus.receive(receiver);
      bus.passTime(MINUTE + 1);
      const fresh = await bus.receive(receiver);
      // Both settle a delivery of the same message. The first one's lock is dead.
      const [first, second] = await Promise.allSettled([
        receiver.completeMessage(stale),
        receiver.completeMessage(fresh),
      ]);
      expect(first).toMatchObject({ status: "rejected", reason: { code: "MessageLockLost" } });
      expect(second.status).toBe("fulfilled");
    });

    it("outlive the connection that took them", async () => {
      await openQueue();
      await bus.send("q", { body: "x" });
      const receiver = bus.receiver(source);
      await bus.receive(receiver);
      await receiver.close();
      expect(counts()).toMatchObject({ active: 1, locked: 1 });
      bus.passTime(MINUTE + 1);
      expect(counts()).toMatchObject({ active: 1, locked: 0 });
    });

    it("hand the message to a receiver that waits when they lapse, by the real clock", async () => {
      await openQueue({ lockDurationMs: 150 });
      await bus.send("q", { body: "x" });
      await bus.receive(bus.receiver(source));
      expect((await bus.receive(bus.receiver(source))).deliveryCount).toBe(1);
    });
  });

  describe("deferred messages:", () => {
    const deferred = async (count: number): Promise<Long[]> => {
      const receiver = bus.receiver(source);
      const numbers: Long[] = [];
      for (let n = 0; n < count; n += 1) {
        await bus.send("q", { body: n });
        const message = await bus.receive(receiver);
        await receiver.deferMessage(message);
        numbers.push(Long.fromNumber(numberOf(message)));
      }
      return numbers;
    };

    it("are received all or none", async () => {
      await openQueue();
      const numbers = await deferred(2);
      const receiver = bus.receiver(source);
      await expect(receiver.receiveDeferredMessages([...numbers, Long.fromNumber(99)])).rejects.toMatchObject({
        code: "MessageNotFound",
      });
      expect(await receiver.receiveDeferredMessages(numbers)).toHaveLength(2);
      await expect(receiver.receiveDeferredMessages(numbers[0] ?? Long.ONE)).rejects.toMatchObject({
        code: "MessageNotFound",
      });
    });

    it("are deferred also by a client that writes a boolean in its long form", async () => {
      await openQueue();
      await bus.send("q", { body: "x" });
      await receiveAndSettle(bus.broker.port, "q", deferWithLongBoolean);
      expect(counts()).toMatchObject({ active: 0, deferred: 1 });
    });

    it("are received once if their number is given twice, and settled as any other", async () => {
      await openQueue();
      const [number = Long.ONE] = await deferred(1);
      const receiver = bus.receiver(source);
      const [message, ...others] = await receiver.receiveDeferredMessages([number, number]);
      expect(others).toEqual([]);
      expect(counts()).toMatchObject({ deferred: 1, locked: 1 });
      await receiver.completeMessage(message ?? never());
      bus.passTime(MINUTE + 1);
      expect(counts()).toEqual({ active: 0, deferred: 0, scheduled: 0, locked: 0, deadLettered: 0 });
    });

    it("are gone at once in receive-and-delete", async () => {
      await openQueue();
      const numbers = await deferred(1);
      const [message] = await bus.receiver(source, { receiveAndDelete: true }).receiveDeferredMessages(numbers);
      expect(message?.lockToken).toBeUndefined();
      expect(counts()).toMatchObject({ active: 0, deferred: 0 });
    });

    it("are not handed out again", async () => {
      await openQueue();
      await deferred(1);
      await bus.send("q", { body: "next" });
      expect(Buffer.from((await bus.receive(bus.receiver(source))).body).toString()).toBe('"next"');
    });
  });

  describe("time to live:", () => {
    it("drops what has expired", async () => {
      await openQueue();
      await bus.send("q", { body: "short", timeToLive: 1000 }, { body: "long" });
      bus.passTime(1001);
      expect(Buffer.from((await bus.receive(bus.receiver(source))).body).toString()).toBe('"long"');
      expect(counts()).toMatchObject({ active: 1, deadLettered: 0 });
    });

    it("dead-letters expired messages if the entity says so, deferred ones when they are asked for", async () => {
      await openQueue({ defaultTtlMs: 10 * MINUTE, deadLetteringOnExpiration: true });
      await bus.send("q", { body: "x", timeToLive: 60 * MINUTE });
      const receiver = bus.receiver(source);
      const message = await bus.receive(receiver);
      expect(message.expiresAtUtc?.getTime()).toBe((message.enqueuedTimeUtc?.getTime() ?? 0) + 10 * MINUTE);
      await receiver.deferMessage(message);
      bus.passTime(11 * MINUTE);
      expect(counts()).toMatchObject({ deferred: 1, deadLettered: 0 });
      await expect(receiver.receiveDeferredMessages(Long.ONE)).rejects.toMatchObject({ code: "MessageNotFound" });
      const [letter] = await bus.receiver(source, { deadLetter: true }).peekMessages(1);
      expect(letter?.deadLetterReason).toBe("TTLExpiredException");
    });
  });

  it("numbers a partitioned entity's messages over 2^53, and finds them by these numbers", async () => {
    await openQueue({ partitioned: true });
    await bus.send("q", { body: "x" });
    const receiver = bus.receiver(source);
    const message = await bus.receive(receiver);
    expect(message.sequenceNumber?.greaterThan(Number.MAX_SAFE_INTEGER)).toBe(true);
    await receiver.deferMessage(message);
    const number = message.sequenceNumber ?? Long.ZERO;
    expect(await receiver.peekMessages(1, { fromSequenceNumber: number })).toHaveLength(1);
    expect(await receiver.receiveDeferredMessages(number)).toHaveLength(1);
  });
});

function never(): never {
  throw new Error("a message that came is there");
}
