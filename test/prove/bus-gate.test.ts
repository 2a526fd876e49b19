import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBusClient } from "@azure/service-bus";
import { describe, expect, it, onTestFinished } from "vitest";
import { startBroker } from "../../local/broker/start-broker.ts";
import { listen } from "../../local/kit/listen.ts";
import { BusGate } from "../../prove/faults/bus-gate.ts";
import type { Edge } from "../../prove/faults/edges.ts";
import { type Fault, faultName } from "../../prove/faults/fault.ts";
import { FaultInjector } from "../../prove/faults/fault-injector.ts";
import { Gate } from "../../prove/faults/gate.ts";
import { NO_FAULTS } from "../../prove/faults/plan.ts";
import type { Replica } from "../../prove/faults/replica.ts";

const LOCK_MS = 5_000;
const UP: Replica = { isUp: true, generation: 1, kill() {}, freeze: async () => {}, freezeUntil: async () => {} };

/** Puts a gate with one fault between a replica's client and a bus with the queue `q`, whose one message is `a`. */
async function behindAGate(edge: Edge, fault: Fault) {
  const injector = new FaultInjector({ ...NO_FAULTS, callFaults: [{ edge, fault, gap: 0 }] }, [UP, UP]);
  const busGate = new BusGate(() => injector);
  const bus = await startBroker({
    entities: { queues: [{ name: "q", lockDurationMs: LOCK_MS }], topics: [] },
    interference: busGate.interference,
  });
  onTestFinished(() => bus.close());
  const way = await busGate.open(0, bus.port, new Gate());
  onTestFinished(() => way.close());
  const client = new ServiceBusClient(bus.connectionString.replace(`:${bus.port}`, `:${way.port}`));
  onTestFinished(() => client.close());
  await client.createSender("q").sendMessages({ body: "a" });
  const happened = () => injector.callFaults.counts.get(edge)?.get(faultName(fault));
  return { bus, receiver: client.createReceiver("q", { maxAutoLockRenewalDurationInMs: 0 }), injector, happened };
}

it("loses a delivery on its way, so that the message comes again, counted, when its lock has lapsed", async () => {
  const { receiver, happened } = await behindAGate("receive a message", { kind: "lose the reply", how: "silence" });
  expect(await receiver.receiveMessages(1, { maxWaitTimeInMs: 1_000 })).toEqual([]);
  expect(happened()).toBe(1);
  const [again] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 2 * LOCK_MS });
  expect(again).toMatchObject({ body: "a", deliveryCount: 1 });
});

it.each<{ name: string; fault: Fault; settled: boolean; heard: string | undefined }>([
  { name: "not confirmed", fault: { kind: "lose the reply", how: "silence" }, settled: true, heard: undefined },
  { name: "refused", fault: { kind: "refuse", status: 410 }, settled: false, heard: "MessageLockLost" },
  { name: "ignored", fault: { kind: "ignore" }, settled: false, heard: undefined },
  { name: "cut off by the end of its link", fault: { kind: "detach" }, settled: false, heard: undefined },
  { name: "frozen away from", fault: { kind: "freeze", when: "after", ms: 1 }, settled: true, heard: "ok" },
])("a settlement on a link can be $name", async ({ fault, settled, heard }) => {
  const { bus, receiver, happened } = await behindAGate("defer a delivery", fault);
  const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 2_000 });
  if (message === undefined) throw new Error("the message did not come");
  const outcome = receiver.deferMessage(message).then(
    () => "ok",
    (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
  );
  expect(await Promise.race([outcome, sleep(500)])).toBe(heard);
  expect(bus.counts()["q"]).toMatchObject(settled ? { deferred: 1 } : { active: 1, deferred: 0 });
  expect(happened()).toBe(1);
});

it("lets the host's own abandon through", async () => {
  const { bus, receiver, injector } = await behindAGate("receive a message", { kind: "detach" });
  injector.end();
  const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 2_000 });
  if (message === undefined) throw new Error("the message did not come");
  await receiver.abandonMessage(message);
  expect(bus.counts()["q"]).toMatchObject({ active: 1, locked: 0 });
  expect(injector.unknown).toEqual([]);
});

describe("while the bus hangs", () => {
  /** Long enough for what is not held back to arrive. */
  const HANG_MS = 300;
  /** More than the sockets between two programs hold. */
  const MUCH = Buffer.alloc(32 * 1024 * 1024, "x");

  /** Puts a gate between clients and a server that takes the place of the bus. */
  async function startWay() {
    const servers: Socket[] = [];
    const server = createServer((socket) => {
      socket.on("error", () => {});
      servers.push(socket);
    });
    const bus = await listen(server);
    const gate = new Gate();
    const way = await new BusGate(() => new FaultInjector(NO_FAULTS, [])).open(0, bus.port, gate);
    onTestFinished(async () => {
      await way.close();
      await bus.close();
    });
    const enter = async () => {
      const client = connect(way.port, "127.0.0.1");
      client.on("error", () => {});
      onTestFinished(() => void client.destroy());
      await once(client, "connect");
      await expect.poll(() => servers.length).toBeGreaterThan(0);
      const end = servers.pop();
      if (end === undefined) throw new Error("the bus was not reached");
      return { client, end };
    };
    return { gate, enter };
  }

  const heardBy = (socket: Socket) => {
    const heard = { bytes: 0 };
    socket.on("data", ({ byteLength }) => {
      heard.bytes += byteLength;
    });
    return heard;
  };

  it.each([
    { what: "no byte passes in either direction", isNew: false },
    { what: "a new connection is taken, and no byte passes over it either", isNew: true },
  ])("$what, and all come when it goes on", async ({ isNew }) => {
    const { gate, enter } = await startWay();
    if (isNew) gate.hang();
    const { client, end } = await enter();
    const [heard, asked] = [heardBy(client), heardBy(end)];
    if (!isNew) gate.hang();
    client.write("defer");
    end.write("a message");
    await sleep(HANG_MS);
    expect([heard.bytes, asked.bytes]).toEqual([0, 0]);
    gate.goOn();
    await expect.poll(() => [heard.bytes, asked.bytes]).toEqual([9, 5]);
  });

  it("a client that takes again what it was too slow for gets nothing more", async () => {
    const { gate, enter } = await startWay();
    const { client, end } = await enter();
    client.pause();
    end.write(MUCH);
    await sleep(HANG_MS);
    gate.hang();
    const heard = heardBy(client);
    client.resume();
    await sleep(HANG_MS);
    expect(heard.bytes).toBeLessThan(MUCH.byteLength);
    gate.goOn();
    await expect.poll(() => heard.bytes).toBe(MUCH.byteLength);
  });
});
