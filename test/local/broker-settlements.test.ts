import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import { afterEach, describe, expect, it, vi } from "vitest";
import { lockLost } from "../../local/broker/broker-error.ts";
import type { Interference } from "../../local/broker/interference.ts";
import type { BrokerOptions } from "../../local/broker/start-broker.ts";
import type { Disposition } from "../../local/broker/stored-message.ts";
import { bareLockToken } from "../../shared/adapters/service-bus/bare-lock-token.ts";
import { tokenOf } from "../support/bus-user.ts";
import { type LocalBus, startLocalBus } from "../support/local-broker-harness.ts";

const MINUTE = 60_000;
const source = { queue: "q" };
const FACTS = { text: "t", whole: 7, part: 1.5, yes: true, when: new Date(1_700_000_000_000) };
/** The client reads a time as ms. */
const READ = { ...FACTS, when: FACTS.when.getTime() };

/** Lets everything through. */
const OPEN: Interference = {
  onCall: async (_, carryOut) => carryOut(),
  onDelivery: (_, send) => send(),
  onSettlement: async (_, carryOut) => carryOut(),
};

describe("a settlement on the link that brought the message, in the local broker:", () => {
  let bus: LocalBus;
  afterEach(() => bus.close());
  const open = async (options: Pick<BrokerOptions, "interference" | "maxUnsettled"> = {}) =>
    (bus = await startLocalBus({ queues: [{ name: "q", lockDurationMs: MINUTE }] }, options));
  /** Collects what comes, and settles nothing. */
  const subscribe = () => {
    const receiver = bus.receiver(source);
    const got: ServiceBusReceivedMessage[] = [];
    const errors: string[] = [];
    receiver.subscribe(
      {
        processMessage: async (message) => void got.push(message),
        processError: async ({ error }) => void errors.push(error.message),
      },
      { autoCompleteMessages: false, maxConcurrentCalls: 25 },
    );
    return { receiver, got, errors };
  };
  const counts = () => bus.broker.counts()["q"];
  const send = (count: number) => bus.send("q", ...Array.from({ length: count }, (_, at) => ({ body: at })));

  describe("comes to what a call to the management comes to:", () => {
    it.each([
      { way: "on the link", of: (message: ServiceBusReceivedMessage) => message },
      { way: "over the management", of: (message: ServiceBusReceivedMessage) => bareLockToken(tokenOf(message)) },
    ])("every outcome with what it carries, $way", async ({ of }) => {
      await open();
      await bus.send("q", { messageId: "a", body: "" });
      await bus.send("q", { messageId: "b", body: "", applicationProperties: { own: 1, text: "old" } });
      await bus.send("q", { messageId: "c", body: "" });
      const receiver = bus.receiver(source);
      await receiver.completeMessage(of(await bus.receive(receiver)));
      await receiver.deferMessage(of(await bus.receive(receiver)), FACTS);
      const letter = { deadLetterReason: "Why", deadLetterErrorDescription: "in words" };
      await receiver.deadLetterMessage(of(await bus.receive(receiver)), { ...FACTS, ...letter });
      await bus.send("q", { messageId: "d", body: "" });
      await receiver.abandonMessage(of(await bus.receive(receiver)), FACTS);
      expect(await receiver.peekMessages(9)).toMatchObject([
        { messageId: "b", state: "deferred", deliveryCount: 1, applicationProperties: { own: 1, ...READ } },
        { messageId: "d", state: "active", deliveryCount: 1, applicationProperties: READ },
      ]);
      expect(await bus.receiver(source, { deadLetter: true }).peekMessages(9)).toMatchObject([
        {
          messageId: "c",
          deliveryCount: 0,
          deadLetterReason: "Why",
          deadLetterErrorDescription: "in words",
          applicationProperties: READ,
        },
      ]);
    });
  });

  it("shows a test which client settles which way, before it takes effect", async () => {
    const seen: Disposition["kind"][] = [];
    const onSettlement: Interference["onSettlement"] = async ({ clientPort, entity, disposition }, carryOut) => {
      expect(clientPort).toBeGreaterThan(0);
      expect(entity).toBe("q");
      seen.push(disposition.kind);
      expect(counts()?.locked).toBe(1);
      const answer = carryOut();
      expect(counts()?.locked).toBe(0);
      return answer;
    };
    await open({ interference: { ...OPEN, onSettlement } });
    await send(3);
    const receiver = bus.receiver(source);
    await receiver.deferMessage(await bus.receive(receiver));
    await receiver.deadLetterMessage(await bus.receive(receiver));
    await receiver.completeMessage(await bus.receive(receiver));
    expect(seen).toEqual(["defer", "deadLetter", "complete"]);
  });

  it("can take effect without being confirmed", async () => {
    await open({
      interference: {
        ...OPEN,
        onSettlement: async (_, carryOut) => {
          carryOut();
          return undefined;
        },
      },
    });
    await send(1);
    const receiver = bus.receiver(source);
    const heard = vi.fn<() => void>();
    void receiver.completeMessage(await bus.receive(receiver)).then(heard, heard);
    await vi.waitFor(() => expect(counts()).toMatchObject({ active: 0, locked: 0 }));
    expect(heard).not.toHaveBeenCalled();
  });

  it("can be refused as one whose lock is lost, and changes nothing then", async () => {
    await open({ interference: { ...OPEN, onSettlement: async () => lockLost() } });
    await send(1);
    const receiver = bus.receiver(source);
    const message = await bus.receive(receiver);
    await expect(receiver.deferMessage(message)).rejects.toMatchObject({ code: "MessageLockLost" });
    expect(counts()).toMatchObject({ active: 1, locked: 1, deferred: 0 });
  });

  it("can be cut off by the end of its link, and the message is locked until its lock lapses", async () => {
    await open({ interference: { ...OPEN, onSettlement: async () => "detach" } });
    await send(1);
    const { receiver, got, errors } = subscribe();
    await vi.waitFor(() => expect(got).toHaveLength(1));
    void receiver.deferMessage(got[0] ?? never()).catch(() => {});
    // The client hears of the end by an error, and opens a link again.
    await vi.waitFor(() => expect(errors).toEqual([expect.stringContaining("closed by the broker")]));
    expect(counts()).toMatchObject({ active: 1, locked: 1, deferred: 0 });
    bus.passTime(MINUTE + 1);
    await vi.waitFor(() => expect(got).toHaveLength(2), { timeout: 5_000 });
    expect(got[1]).toMatchObject({ deliveryCount: 1 });
  });

  it("is owed by a link at most as often as the broker allows: then the link is closed, and another takes over", async () => {
    await open({ maxUnsettled: 10 });
    await send(25);
    const { got, errors } = subscribe();
    await vi.waitFor(() => expect(new Set(got.map(tokenOf)).size).toBe(25), { timeout: 10_000 });
    expect(errors.join()).toContain("11 deliveries that are not settled");
    expect(counts()).toMatchObject({ locked: 25 });
  });

  it("of everything keeps a link open for ever", async () => {
    await open({ maxUnsettled: 10 });
    await send(100);
    const errors: string[] = [];
    bus
      .receiver(source)
      .subscribe(
        { processMessage: async () => {}, processError: async ({ error }) => void errors.push(error.message) },
        { maxConcurrentCalls: 5 },
      );
    await vi.waitFor(() => expect(counts()).toMatchObject({ active: 0 }), { timeout: 5_000 });
    expect(errors).toEqual([]);
  });
});

function never(): never {
  throw new Error("a message that came is there");
}
