import { afterEach, describe, expect, it, vi } from "vitest";
import { type LocalBus, startLocalBus } from "../support/local-broker-harness.ts";
import { bytes, messageOf, sendBytes, sendRaw } from "../support/raw-amqp.ts";

const source = { queue: "q" };

describe("the local broker goes on", () => {
  let bus: LocalBus;
  const said: string[] = [];
  afterEach(async () => {
    said.splice(0);
    await bus.close();
  });
  const open = async () =>
    (bus = await startLocalBus({ queues: [{ name: "q" }] }, { log: (line) => void said.push(line) }));

  it("after a bug that it meets outside of any request, and logs it", async () => {
    await open();
    const [entity] = bus.broker.namespace.entities;
    if (entity === undefined) throw new Error("The broker has its queue.");
    const receiver = bus.receiver(source);
    await bus.send("q", { body: 1 });
    await bus.receive(receiver);
    entity.passTime = () => {
      // The class has the real one.
      Reflect.deleteProperty(entity, "passTime");
      throw new Error("it has lost a message");
    };
    await bus.send("q", { body: 2 });
    const waiting = receiver.receiveMessages(1, { maxWaitTimeInMs: 5_000 });
    await vi.waitFor(() => expect(said.join()).toMatch(/a bug of the broker .* from q: Error: it has lost a message/));
    await bus.send("q", { body: 3 });
    expect((await waiting)[0]?.body.toString()).toBe("2");
  });

  describe("if a client sends an array of millions of items that take no bytes:", () => {
    const endless = "f0 00000005 00ffffff 40";
    const serves = async () => {
      await bus.send("q", { body: "x" });
      return (await bus.receive(bus.receiver(source))).body.toString();
    };

    it("as it opens the connection", async () => {
      await open();
      const header = "414d5150 00010000";
      // The fields are the client's name, four that are left out, and its locales.
      const frame = `0000001f 02000000 005310 c01206 a10163 40404040 ${endless}`;
      await sendBytes(bus.broker.port, bytes(`${header} ${frame}`));
      expect(said.join()).toMatch(/an array that claims to have 16777215 items/);
      expect(await serves()).toBe('"x"');
    });

    it.each([
      { part: "annotations", section: "72" },
      { part: "properties", section: "74" },
    ])("in the $part of a message, which is refused", async ({ section }) => {
      await open();
      // A map with one entry, whose key is "a".
      const message = bytes(`0053${section} c10e02 a10161 ${endless} 005375 a000`);
      await expect(sendRaw(bus.broker.port, "q", message)).rejects.toThrow("rejected the message");
      expect(await serves()).toBe('"x"');
    });

    it("in a request, whose connection ends", async () => {
      await open();
      const request = messageOf({ operation: "com.microsoft:peek-message" }, bytes(endless));
      await expect(sendRaw(bus.broker.port, "q/$management", request)).rejects.toThrow("ended the connection");
      expect(await serves()).toBe('"x"');
    });
  });
});
