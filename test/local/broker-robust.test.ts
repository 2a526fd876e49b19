import { afterEach, describe, expect, it, vi } from "vitest";
import { type LocalBus, startLocalBus } from "../support/local-broker-harness.ts";

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
    entity.lapseLocks = () => {
      // The class has the real one.
      Reflect.deleteProperty(entity, "lapseLocks");
      throw new Error("it has lost a message");
    };
    await bus.send("q", { body: 2 });
    const waiting = receiver.receiveMessages(1, { maxWaitTimeInMs: 5_000 });
    await vi.waitFor(() => expect(said.join()).toMatch(/a bug of the broker .* from q: Error: it has lost a message/));
    await bus.send("q", { body: 3 });
    expect((await waiting)[0]?.body.toString()).toBe("2");
  });
});
