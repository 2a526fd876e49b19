import { createServer, type Server, type Socket } from "node:net";
import { generate } from "selfsigned";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { startBroker } from "../../local/broker/start-broker.ts";
import { makeServiceBusBroker } from "../../shared/adapters/service-bus/broker.ts";
import { ConfigError, EntityMissingError, UnavailableError } from "../../shared/errors.ts";
import type { MessageBroker } from "../../shared/ports/message-broker.ts";
import { numberOf, tokenOf } from "../support/bus-user.ts";
import { type LocalBus, startLocalBus } from "../support/local-broker-harness.ts";
import { bytes, messageOf, nested, sendRaw } from "../support/raw-amqp.ts";
import { startRefusingBroker } from "../support/refusing-broker.ts";

const source = { queue: "q" };
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const open = async (
  settings: object = {},
  options: { timeoutMs?: number } = {},
): Promise<{ bus: LocalBus; broker: MessageBroker }> => {
  const bus = await startLocalBus({ queues: [{ name: "q", ...settings }], topics: [{ name: "t", subscriptions: [] }] });
  const broker = makeServiceBusBroker({ kind: "connectionString", value: bus.broker.connectionString }, options);
  closers.push(
    () => bus.close(),
    () => broker.close(),
  );
  return { bus, broker };
};

describe("the Service Bus adapter", () => {
  it("names a source that does not exist, as an error of the configuration at start and as an outage later", async () => {
    const { broker } = await open();
    const nowhere = { topic: "t", subscription: "nowhere" };
    await expect(broker.verify(nowhere)).rejects.toBeInstanceOf(ConfigError);
    await expect(broker.verify(nowhere)).rejects.toThrow(/subscription "t\/nowhere" does not exist/);
    const key = { source: nowhere, sequenceNumber: 1, enqueuedAt: 1 };
    await expect(broker.peek(nowhere, 1)).rejects.toBeInstanceOf(EntityMissingError);
    await expect(broker.browse(nowhere, 0, 1)).rejects.toBeInstanceOf(EntityMissingError);
    await expect(broker.completeDeferred(key)).rejects.toBeInstanceOf(EntityMissingError);
    const letters = { deadLettersOf: nowhere };
    await expect(broker.receiveLetters(letters, 1)).rejects.toBeInstanceOf(EntityMissingError);
    await expect(broker.completeDeferred({ ...key, source: letters })).rejects.toThrow(
      /subscription "t\/nowhere" does/,
    );
  });

  it("refuses a source with sessions", async () => {
    const { broker } = await open({ requiresSession: true });
    await expect(broker.verify(source)).rejects.toThrow(/queue "q" requires sessions/);
    await expect(broker.verify(source)).rejects.toBeInstanceOf(ConfigError);
  });

  it("refuses a partitioned source as soon as one of its numbers is seen", async () => {
    const { bus, broker } = await open({ partitioned: true });
    await broker.verify(source);
    await bus.send("q", { body: "x" });
    await expect(broker.verify(source)).rejects.toThrow(/queue "q" is partitioned/);
    await expect(broker.browse(source, 1, 10)).rejects.toBeInstanceOf(ConfigError);
  });

  it("verifies an empty source without a trace", async () => {
    const { bus, broker } = await open();
    await broker.verify(source);
    expect(bus.broker.counts()["q"]).toEqual({ active: 0, deferred: 0, scheduled: 0, locked: 0, deadLettered: 0 });
  });

  it("holds no message of a source that it works on", async () => {
    const { bus, broker } = await open();
    await bus.send("q", { body: "a" }, { body: "b" });
    await broker.browse(source, 1, 10);
    await broker.verify(source);
    expect(bus.broker.counts()["q"]).toMatchObject({ active: 2, locked: 0 });
    expect((await bus.receive(bus.receiver(source))).deliveryCount).toBe(0);
  });

  it("browses more than one answer of the broker holds", async () => {
    const { bus, broker } = await open();
    const sender = bus.client.createSender("q");
    await sender.sendMessages(Array.from({ length: 600 }, (_, n) => ({ body: n })));
    for (let n = 0; n < 8; n += 1) await bus.send("q", { body: Buffer.alloc(200_000) });
    const messages = await broker.browse(source, 1, 1000);
    expect(messages.map(({ sequenceNumber }) => sequenceNumber)).toEqual(Array.from({ length: 608 }, (_, n) => n + 1));
    expect(await broker.browse(source, 300, 5)).toHaveLength(5);
  });

  it.each([
    { name: "a value of text", body: "grüß", bytes: "grüß" },
    { name: "a value of another kind", body: { a: [1, true] }, bytes: '{"a":[1,true]}' },
    { name: "no value", body: null, bytes: "" },
    { name: "a value of bytes", body: Buffer.from("raw"), bytes: "raw" },
  ])("gives $name as bytes", async ({ body, bytes }) => {
    const { bus, broker } = await open();
    await sendRaw(bus.broker.port, "q", { body });
    expect(Buffer.from((await broker.peek(source, 1))?.body ?? []).toString()).toBe(bytes);
  });

  describe.each([
    { what: "lists in lists", value: nested(5_000) },
    { what: "no type of AMQP", value: bytes("99") },
    { what: "a list that is cut short", value: bytes("d0 00000063 00000009") },
    { what: "an array of four milliards of nulls", value: bytes("f0 00000005 ffffffff 40") },
    { what: "an array of four milliards of ids", value: bytes("f0 00000005 ffffffff 98") },
    { what: "nothing, and a footer of null", value: bytes("40 005378 40") },
    { what: "nothing, and data after it", value: bytes("40 005375 a00161") },
    { what: "nothing, and properties of null after it", value: bytes("40 005374 40") },
  ])("if a message can't be decoded: $what", ({ value }) => {
    it("shows it without its body, its neighbours whole, and settles it by its number", async () => {
      const { bus, broker } = await open();
      await bus.send("q", { body: Buffer.from("before") });
      await sendRaw(bus.broker.port, "q", messageOf({ kind: "odd" }, value));
      await bus.send("q", { body: Buffer.from("after") });
      const page = await broker.browse(source, 1, 10);
      expect(page.map(({ body, bodyUnreadable }) => bodyUnreadable ?? Buffer.from(body).toString())).toEqual([
        "before",
        true,
        "after",
      ]);
      expect(page[1]).toMatchObject({ properties: { kind: "odd" }, body: new Uint8Array() });
      await broker.verify(source);
      const receiver = bus.receiver(source);
      for (const number of [1, 2]) {
        const message = await bus.receive(receiver);
        if (number === 2) await broker.defer(source, tokenOf(message), {});
      }
      const key = { source, sequenceNumber: 2, enqueuedAt: page[1]?.enqueuedAt ?? 0 };
      expect(await broker.completeDeferred(key)).toBe("done");
    });
  });

  it("shows dates as dates, and ids of other kinds as text", async () => {
    const { bus, broker } = await open();
    const when = new Date(1_732_400_000_000);
    await bus.send("q", {
      body: "x",
      messageId: 7,
      correlationId: Buffer.alloc(16, 0xab),
      applicationProperties: { when },
    });
    expect(await broker.peek(source, 1)).toMatchObject({
      messageId: "7",
      correlationId: "ab".repeat(16),
      properties: { when },
    });
  });

  it("settles a bare token without any receiver open, also after the receiver that took the lock has gone", async () => {
    const { bus, broker } = await open();
    await bus.send("q", { body: "x" });
    const receiver = bus.receiver(source);
    const message = await bus.receive(receiver);
    await receiver.close();
    await broker.defer(source, tokenOf(message), {});
    expect(await broker.peek(source, numberOf(message))).toMatchObject({ state: "deferred" });
  });

  it("settles neighbours one way and the other at once, each as asked", async () => {
    const { bus, broker } = await open();
    const receiver = bus.receiver(source);
    const keys = [];
    for (let n = 0; n < 20; n += 1) {
      await bus.send("q", { body: n });
      const message = await bus.receive(receiver);
      await broker.defer(source, tokenOf(message), {});
      keys.push({ source, sequenceNumber: numberOf(message), enqueuedAt: message.enqueuedTimeUtc?.getTime() ?? 0 });
    }
    const letter = { reason: "JobFailed", description: "", properties: {} };
    await Promise.all(
      keys.map((key, n) => (n % 2 === 0 ? broker.completeDeferred(key) : broker.deadLetterDeferred(key, letter))),
    );
    const letters = await bus.receiver(source, { deadLetter: true }).peekMessages(50);
    expect(letters.map(numberOf)).toEqual(
      keys.filter((_, n) => n % 2 === 1).map(({ sequenceNumber }) => sequenceNumber),
    );
    expect(bus.broker.counts()["q"]).toMatchObject({ active: 0, deferred: 0, deadLettered: 10 });
  });
});

describe("the Service Bus adapter without the right to its source", () => {
  it("says which role is missing, on what, and the command that grants it", async () => {
    const refusing = await startRefusingBroker();
    const broker = makeServiceBusBroker({ kind: "connectionString", value: refusing.connectionString });
    closers.push(
      () => refusing.close(),
      () => broker.close(),
    );
    for (const call of [() => broker.verify(source), () => broker.peek(source, 1)]) {
      const error = await call().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(UnavailableError);
      expect(error).toHaveProperty(
        "message",
        expect.stringMatching(/^no access to queue "q" in 127\.0\.0\.1\. .*needs the right Listen/),
      );
    }
  });

  it("says to copy a current key if the key is wrong", async () => {
    const { bus } = await open();
    const value = bus.broker.connectionString.replace("SharedAccessKey=local", "SharedAccessKey=of-before");
    const broker = makeServiceBusBroker({ kind: "connectionString", value });
    closers.push(() => broker.close());
    const error = await broker.peek(source, 1).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toHaveProperty(
      "message",
      expect.stringMatching(
        /^no access to queue "q" in .* Copy the connection string of a current key into ServiceBus/,
      ),
    );
  });
});

describe("the Service Bus adapter in an outage", () => {
  it("fails as unavailable while the broker is down, and works again on the next call, with its messages", async () => {
    const { bus, broker } = await open({}, { timeoutMs: 500 });
    await bus.send("q", { body: "x" });
    const held = await bus.receive(bus.receiver(source));
    expect(await broker.peek(source, 1)).toBeDefined();
    await bus.broker.stop();
    await expect(broker.peek(source, 1)).rejects.toBeInstanceOf(UnavailableError);
    await expect(broker.defer(source, tokenOf(held), {})).rejects.toBeInstanceOf(UnavailableError);
    await bus.broker.start();
    await broker.defer(source, tokenOf(held), { owner: "me" });
    expect(await broker.peek(source, 1)).toMatchObject({ state: "deferred", properties: { owner: "me" } });
  });

  it("works again after the connection was cut between two calls", async () => {
    const { bus, broker } = await open({}, { timeoutMs: 500 });
    for (let round = 0; round < 3; round += 1) {
      await bus.broker.stop();
      await bus.broker.start();
      // A call may use the connection before the client notices its end. The call after it may not.
      await broker.peek(source, 1).catch(() => {});
      await expect(broker.peek(source, 1)).resolves.toBeUndefined();
    }
  });

  it("gives up on a broker that says nothing, and on one that stops saying anything", async () => {
    const silent = await startSilentServer();
    const value = `Endpoint=sb://127.0.0.1:${silent.port};SharedAccessKeyName=x;SharedAccessKey=y;UseDevelopmentEmulator=true;`;
    const broker = makeServiceBusBroker({ kind: "connectionString", value }, { timeoutMs: 200 });
    closers.push(
      () => silent.close(),
      () => broker.close(),
    );
    const before = performance.now();
    await expect(broker.peek(source, 1)).rejects.toThrow(/peek on queue "q": no answer within 200 ms/);
    await expect(broker.receiveLetters({ deadLettersOf: source }, 1)).rejects.toThrow(
      /receive on the dead letter queue of queue "q": no answer within 200 ms/,
    );
    await expect(broker.completeLocked(source, "3f2b0f0e-0000-4000-8000-00000000abcd")).rejects.toBeInstanceOf(
      UnavailableError,
    );
    expect(performance.now() - before).toBeLessThan(2000);
    // The client drops a connection that hangs, so the second call opens one of its own.
    await vi.waitFor(() => expect(silent.connections()).toBeGreaterThanOrEqual(2));
  });
});

describe("the Service Bus adapter with an identity", () => {
  // No authority signed the certificate, and the SDK takes no other way to trust it at run time.
  const { NODE_TLS_REJECT_UNAUTHORIZED: before } = process.env;
  beforeAll(() => {
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
  });
  afterAll(() => {
    if (before === undefined) delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    else process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = before;
  });

  it("asks for a token of Service Bus, and works over TLS", async () => {
    const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }], {
      algorithm: "sha256",
    });
    const local = await startBroker({ entities: { queues: [{ name: "q" }], topics: [] }, tls: { key, cert } });
    const scopes: unknown[] = [];
    const credential = {
      getToken: async (scope: string | string[]) => {
        scopes.push(scope);
        return { token: "a-token", expiresOnTimestamp: Date.now() + 3_600_000 };
      },
    };
    const fullyQualifiedNamespace = `localhost:${local.port}`;
    const broker = makeServiceBusBroker({ kind: "identity", fullyQualifiedNamespace, credential });
    closers.push(
      () => local.close(),
      () => broker.close(),
    );
    await broker.verify(source);
    expect(await broker.peek(source, 1)).toBeUndefined();
    expect(new Set(scopes)).toEqual(new Set(["https://servicebus.azure.net//.default"]));
  });

  it("is unavailable, and says why, if there is no token", async () => {
    const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }], {
      algorithm: "sha256",
    });
    const local = await startBroker({ entities: { queues: [{ name: "q" }], topics: [] }, tls: { key, cert } });
    const credential = { getToken: () => Promise.reject(new Error("no managed identity here")) };
    const fullyQualifiedNamespace = `localhost:${local.port}`;
    const broker = makeServiceBusBroker({ kind: "identity", fullyQualifiedNamespace, credential });
    closers.push(
      () => local.close(),
      () => broker.close(),
    );
    const error = await broker.peek(source, 1).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ cause: { message: expect.stringContaining("no managed identity here") } });
  });
});

/** A server that accepts connections and never answers. */
async function startSilentServer(): Promise<{ port: number; connections(): number; close(): void }> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    sockets.push(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return {
    port: address.port,
    connections: () => sockets.length,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
