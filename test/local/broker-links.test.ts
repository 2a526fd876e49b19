import { ServiceBusClient } from "@azure/service-bus";
import Long from "long";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { QueueConfig } from "../../local/broker/entities.ts";
import { numberOf, tokenOf } from "../support/bus-user.ts";
import { type LocalBus, startLocalBus, startLocalQueue } from "../support/local-broker-harness.ts";
import { answeredSettleMode, drainOne, openRaw, putToken } from "../support/raw-amqp.ts";

const source = { queue: "q" };

describe("the links of the local broker, seen by the Service Bus SDK:", () => {
  let bus: LocalBus;
  afterEach(() => bus.close());
  const openQueue = async (settings: Partial<QueueConfig> = {}) => (bus = await startLocalQueue(settings));
  const counts = () => bus.broker.counts()["q"];

  describe("receivers:", () => {
    it("get everything in order, over more messages than a link's buffer holds, and end a drain", async () => {
      await openQueue();
      const sender = bus.client.createSender("q");
      for (let at = 0; at < 2100; at += 525)
        await sender.sendMessages(Array.from({ length: 525 }, (_, n) => ({ body: at + n })));
      const receiver = bus.receiver(source, { receiveAndDelete: true });
      const numbers: number[] = [];
      while (numbers.length < 2100) {
        const messages = await receiver.receiveMessages(700, { maxWaitTimeInMs: 500 });
        if (messages.length === 0) break;
        numbers.push(...messages.map(numberOf));
      }
      expect(numbers).toEqual(Array.from({ length: 2100 }, (_, n) => n + 1));
      const before = performance.now();
      expect(await receiver.receiveMessages(5, { maxWaitTimeInMs: 20 })).toEqual([]);
      // The SDK waits 200 ms for the end of a drain before it gives up the link.
      expect(performance.now() - before).toBeLessThan(180);
      await bus.send("q", { body: "after the drain" });
      expect(await receiver.receiveMessages(5, { maxWaitTimeInMs: 2000 })).toHaveLength(1);
    });

    it("hear of the end of a drain also if the last message used up the credit", async () => {
      await openQueue();
      await bus.send("q", { body: "x" });
      expect(await drainOne(bus.broker.port, "q")).toEqual(["message", "drained"]);
    });

    it.each([0, 1] as const)("settle in the way that they asked for: %i", async (mode) => {
      await openQueue();
      expect(await answeredSettleMode(bus.broker.port, "q", mode)).toBe(mode);
    });

    it("get the reply to their token at the target that they name", async () => {
      await openQueue();
      expect(await putToken(bus.broker.port, `amqp://127.0.0.1:${bus.broker.port}/q`)).toBe(202);
    });

    it("share what comes", async () => {
      await openQueue();
      const [a, b] = [bus.receiver(source), bus.receiver(source)];
      const waiting = [a, b].map((receiver) => receiver.receiveMessages(1, { maxWaitTimeInMs: 5000 }));
      await bus.send("q", { body: 1 }, { body: 2 });
      const got = (await Promise.all(waiting)).flat().map(numberOf);
      expect(new Set(got)).toEqual(new Set([1, 2]));
    });

    it("stop at 2,048 messages that they don't settle, and go on with a new link", async () => {
      await openQueue();
      const sender = bus.client.createSender("q");
      for (let at = 0; at < 2200; at += 550)
        await sender.sendMessages(Array.from({ length: 550 }, (_, n) => ({ body: at + n })));
      const received: string[] = [];
      const receiver = bus.receiver(source);
      receiver.subscribe(
        { processMessage: async (message) => void received.push(tokenOf(message)), processError: async () => {} },
        { autoCompleteMessages: false, maxConcurrentCalls: 2200 },
      );
      await vi.waitFor(() => expect(received.length).toBeGreaterThanOrEqual(2040), { timeout: 5000 });
      expect(received.length).toBeLessThanOrEqual(2048);
      await receiver.close();
      expect(await bus.receive(bus.receiver(source))).toBeDefined();
    });
  });

  describe("errors:", () => {
    it("an entity that does not exist is MessagingEntityNotFound, for every use", async () => {
      await openQueue();
      const nowhere = bus.receiver({ queue: "nowhere" });
      const code = "MessagingEntityNotFound";
      await expect(nowhere.peekMessages(1)).rejects.toMatchObject({ code });
      await expect(nowhere.receiveMessages(1, { maxWaitTimeInMs: 100 })).rejects.toMatchObject({ code });
      await expect(bus.send("nowhere", { body: "x" })).rejects.toMatchObject({ code });
    });

    it("a wrong key, or an unknown name for it, is UnauthorizedAccess, for every use", async () => {
      await openQueue();
      const { connectionString } = bus.broker;
      for (const [right, wrong] of [
        ["Key=local", "Key=other"],
        ["Name=local", "Name=other"],
      ] as const) {
        const client = new ServiceBusClient(connectionString.replace(right, wrong), {
          retryOptions: { maxRetries: 0 },
        });
        const refused = {
          code: "UnauthorizedAccess",
          message: expect.stringContaining("InvalidSignature: The token has an invalid signature."),
        };
        await expect(client.createReceiver("q").peekMessages(1)).rejects.toMatchObject(refused);
        await expect(client.createReceiver("q").receiveMessages(1)).rejects.toMatchObject(refused);
        await expect(client.createSender("q").sendMessages({ body: "x" })).rejects.toMatchObject(refused);
        await client.close();
      }
      expect(counts()).toMatchObject({ active: 0 });
    });

    it.each([
      {
        name: "the key that it was started with",
        options: { key: "secret" },
        given: "Name=local;SharedAccessKey=secret",
      },
      {
        name: "the key of Microsoft's emulator",
        options: {},
        given: "Name=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE",
      },
    ])("$name is taken", async ({ options, given }) => {
      bus = await startLocalBus({ queues: [{ name: "q" }] }, options);
      await bus.send("q", { body: "x" });
      const client = new ServiceBusClient(
        bus.broker.connectionString.replace(/Name=[^;]*;SharedAccessKey=[^;]*/, given),
      );
      expect(await client.createReceiver("q").peekMessages(1)).toHaveLength(1);
      await client.close();
    });

    it("with its own key alone it takes no other token, and no link of a client without one", async () => {
      bus = await startLocalBus({ queues: [{ name: "q" }] }, { key: "secret", onlyKey: true });
      await bus.send("q", { body: "x" });
      expect(await bus.receiver(source).peekMessages(1)).toHaveLength(1);
      const { port, connectionString } = bus.broker;
      const emulators = "Name=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE";
      const client = new ServiceBusClient(connectionString.replace(/Name=[^;]*;SharedAccessKey=[^;]*/, emulators), {
        retryOptions: { maxRetries: 0 },
      });
      await expect(client.createSender("q").sendMessages({ body: "x" })).rejects.toMatchObject({
        code: "UnauthorizedAccess",
      });
      await client.close();
      expect(await putToken(port, `amqp://127.0.0.1:${port}/q`, "a.b.c")).toBe(401);
      await expect(openRaw(port, "q")).rejects.toMatchObject({ condition: "amqp:unauthorized-access" });
      await expect(openRaw(port, "q/$management")).rejects.toMatchObject({ condition: "amqp:unauthorized-access" });
    });

    it("an entity with sessions refuses receivers without, and messages without a session id", async () => {
      await openQueue({ requiresSession: true });
      await expect(bus.receiver(source).receiveMessages(1, { maxWaitTimeInMs: 100 })).rejects.toThrow(
        /requires sessions/,
      );
      await expect(bus.receiver(source).receiveDeferredMessages(Long.ONE)).rejects.toThrow(/requires sessions/);
      await expect(bus.send("q", { body: "x" })).rejects.toThrow(/SessionId was not set/);
      await bus.send("q", { body: "x", sessionId: "s" });
      expect(await bus.receiver(source).peekMessages(1)).toHaveLength(1);
    });

    it("reasons over 4,096 characters are refused", async () => {
      await openQueue();
      await bus.send("q", { body: "x" });
      const receiver = bus.receiver(source);
      const message = await bus.receive(receiver);
      const letter = { deadLetterReason: "r".repeat(4097), deadLetterErrorDescription: "" };
      await expect(receiver.deadLetterMessage(message, letter)).rejects.toMatchObject({ code: "GeneralError" });
    });
  });

  it("keeps its messages over an outage, and serves the same clients after it", async () => {
    await openQueue();
    const { connectionString } = bus.broker;
    const client = new ServiceBusClient(connectionString, { retryOptions: { maxRetries: 0, timeoutInMs: 300 } });
    const receiver = client.createReceiver("q");
    await client.createSender("q").sendMessages({ body: "x" });
    await receiver.peekMessages(1, { fromSequenceNumber: Long.ONE });
    await bus.broker.stop();
    await expect(receiver.peekMessages(1, { fromSequenceNumber: Long.ONE })).rejects.toMatchObject({
      name: expect.stringMatching(/Error$/),
    });
    await bus.broker.start();
    expect(await receiver.peekMessages(1, { fromSequenceNumber: Long.ONE })).toHaveLength(1);
    await client.createSender("q").sendMessages({ body: "y" });
    expect(counts()).toMatchObject({ active: 2 });
    await client.close();
  });
});
