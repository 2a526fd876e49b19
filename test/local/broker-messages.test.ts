import rhea from "rhea";
import { afterEach, describe, expect, it } from "vitest";
import type { QueueConfig } from "../../local/broker/entities.ts";
import { type LocalBus, startLocalBus, startLocalQueue } from "../support/local-broker-harness.ts";
import { receiveRawProperties, sendRaw } from "../support/raw-amqp.ts";

const MINUTE = 60_000;
const source = { queue: "q" };
/** Shows a date as its milliseconds, because rhea reads a timestamp as a date. */
const plain = (value: unknown) => String(value instanceof Date ? value.getTime() : value);

describe("what the local broker makes of messages, seen by the Service Bus SDK:", () => {
  let bus: LocalBus;
  afterEach(() => bus.close());
  const openQueue = async (settings: Partial<QueueConfig> = {}) => (bus = await startLocalQueue(settings));
  const counts = () => bus.broker.counts()["q"];

  describe("what senders write", () => {
    it("survives with its exact AMQP types, also when a stamp is added", async () => {
      await openQueue();
      const { types } = rhea;
      const typed = {
        ubyte: types.wrap_ubyte(7),
        ushort: types.wrap_ushort(700),
        ulong: types.wrap_ulong(2 ** 40),
        hugeUlong: types.wrap_ulong(Buffer.alloc(8, 255)),
        byte: types.wrap_byte(-7),
        short: types.wrap_short(-700),
        long: types.wrap_long(-(2 ** 40)),
        float: types.wrap_float(0.5),
        double: types.wrap_double(0.1),
        char: types.wrap_char(0x20ac),
        timestamp: types.wrap_timestamp(1_732_400_000_000),
        uuid: types.wrap_uuid(Buffer.alloc(16, 5)),
        binary: types.wrap_binary(Buffer.from([0, 255])),
        symbol: types.wrap_symbol("sym"),
        nothing: null,
      };
      await sendRaw(bus.broker.port, "q", { body: "x", application_properties: typed });
      const receiver = bus.receiver(source);
      await receiver.abandonMessage(await bus.receive(receiver), { stamp: 3 });
      const found = await receiveRawProperties(bus.broker.port, "q");
      const wanted = Object.entries({ ...typed, stamp: 3 }).map(([name, value]) => [name, types.wrap(value)] as const);
      expect([...found.keys()]).toEqual(wanted.map(([name]) => name));
      for (const [name, value] of wanted) {
        expect([name, found.get(name)?.type.name, plain(found.get(name)?.value)]).toEqual([
          name,
          value.type.name,
          plain(value.value),
        ]);
      }
    });

    it("gets a message id if it has none", async () => {
      await openQueue();
      await bus.send("q", { body: "a" }, { body: "b", messageId: 7 });
      const [first, second] = await bus.receiver(source).peekMessages(2);
      expect(first?.messageId).toMatch(/^[0-9a-f]{32}$/);
      expect(second?.messageId).toBe(7);
    });

    it("arrives whole up to 256 KB, and is refused over it", async () => {
      await openQueue();
      await bus.send("q", { body: Buffer.alloc(261_000, 1) });
      expect((await bus.receive(bus.receiver(source))).body).toHaveLength(261_000);
      await expect(bus.send("q", { body: Buffer.alloc(262_144, 1) })).rejects.toMatchObject({
        code: "MessageSizeExceeded",
      });
      const batch = await bus.client.createSender("q").createMessageBatch();
      expect(batch.maxSizeInBytes).toBe(262_144);
      expect(counts()).toMatchObject({ active: 1 });
    });

    it("is refused with more than 64 KB of properties; a stamp that makes it so changes nothing", async () => {
      await openQueue();
      const nearlyFull = { a: "a".repeat(32_000), b: "b".repeat(32_000) };
      await expect(
        bus.send("q", { body: "x", applicationProperties: { ...nearlyFull, c: "c".repeat(3_000) } }),
      ).rejects.toMatchObject({
        code: "MessageSizeExceeded",
      });
      await bus.send("q", { body: "x", applicationProperties: nearlyFull });
      const receiver = bus.receiver(source);
      const message = await bus.receive(receiver);
      await expect(receiver.deferMessage(message, { stamp: "s".repeat(3_000) })).rejects.toMatchObject({
        name: "ServiceBusError",
      });
      expect(counts()).toMatchObject({ active: 1, deferred: 0, locked: 1 });
    });

    it("arrives as single messages if it was sent as a batch", async () => {
      await openQueue();
      const sender = bus.client.createSender("q");
      await sender.sendMessages([
        { body: 1, messageId: "a" },
        { body: 2, messageId: "b" },
        { body: 3, subject: "s" },
      ]);
      const messages = await bus.receiver(source).peekMessages(10);
      expect(messages.map(({ sequenceNumber }) => sequenceNumber?.toNumber())).toEqual([1, 2, 3]);
      expect(messages.map(({ messageId }) => messageId).slice(0, 2)).toEqual(["a", "b"]);
    });

    it("is kept until the time that it is scheduled for, and delivered then as a new one", async () => {
      await openQueue();
      const at = new Date(Date.now() + 3_000);
      await bus.send("q", { body: "later", scheduledEnqueueTimeUtc: at, timeToLive: MINUTE }, { body: 7 });
      const [scheduled] = await bus.receiver(source).peekMessages(1);
      expect(scheduled).toMatchObject({ state: "scheduled", scheduledEnqueueTimeUtc: at, enqueuedTimeUtc: at });
      expect(bus.broker.counts()["q"]).toMatchObject({ active: 1, scheduled: 1 });
      const receiver = bus.receiver(source);
      expect((await receiver.receiveMessages(1, { maxWaitTimeInMs: 2_000 })).map(({ body }) => String(body))).toEqual([
        "7",
      ]);
      const [due] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
      expect(Date.now()).toBeGreaterThanOrEqual(at.getTime());
      expect(due).toMatchObject({ state: "active" });
      expect(due?.sequenceNumber?.toNumber()).toBe(3);
      expect(due?.enqueuedTimeUtc?.getTime()).toBeGreaterThanOrEqual(at.getTime());
      expect(bus.broker.counts()["q"]).toMatchObject({ active: 2, scheduled: 0 });
    });

    it("can't be scheduled by the request that may be cancelled, which this broker does not know", async () => {
      await openQueue();
      const sender = bus.client.createSender("q");
      await expect(sender.scheduleMessages({ body: "x" }, new Date(Date.now() + MINUTE))).rejects.toThrow(
        /NotImplementedError.*does not know 'com\.microsoft:schedule-message'/,
      );
    });

    it("is taken at once if the time that it is scheduled for has come", async () => {
      await openQueue();
      const now = new Date();
      await bus.send("q", { body: 1, scheduledEnqueueTimeUtc: now }, { body: 2, scheduledEnqueueTimeUtc: new Date(0) });
      const messages = await bus.receiver(source).peekMessages(2);
      expect(messages.map(({ body, state }) => [String(body), state])).toEqual([
        ["1", "active"],
        ["2", "active"],
      ]);
    });
  });

  it("delivers to the subscriptions whose filters take the message, each with its own copy and numbers", async () => {
    bus = await startLocalBus({
      topics: [
        {
          name: "Images",
          subscriptions: [
            { name: "all" },
            { name: "Uploaded", filter: { subject: "image.uploaded", properties: { size: 3 } } },
            { name: "red", filter: { sql: "sys.Label = 'image.uploaded' AND color = 'red'" } },
          ],
        },
      ],
    });
    const uploaded = { body: "1", subject: "image.uploaded" };
    await bus.send(
      "images",
      { ...uploaded, applicationProperties: { size: 3 } },
      { ...uploaded, applicationProperties: { color: "red" } },
      { body: "3" },
    );
    const bodies = async (subscription: string) =>
      (await bus.receiver({ topic: "IMAGES", subscription }).peekMessages(10)).map(({ sequenceNumber }) =>
        sequenceNumber?.toNumber(),
      );
    expect(await bodies("all")).toEqual([1, 2, 3]);
    expect(await bodies("uploaded")).toEqual([1]);
    expect(await bodies("red")).toEqual([1]);
    const receiver = bus.receiver({ topic: "images", subscription: "all" });
    await receiver.deadLetterMessage(await bus.receive(receiver), {
      deadLetterReason: "R",
      deadLetterErrorDescription: "D",
    });
    const [letter] = await bus.receiver({ topic: "images", subscription: "all" }, { deadLetter: true }).peekMessages(1);
    expect(letter).toMatchObject({ deadLetterReason: "R", deadLetterErrorDescription: "D" });
    expect(bus.broker.counts()["Images/subscriptions/red"]).toMatchObject({ active: 1 });
  });
});
