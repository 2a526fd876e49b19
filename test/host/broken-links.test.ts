import type { Socket } from "node:net";
import { ServiceBusClient, type ServiceBusMessage } from "@azure/service-bus";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../host/service-bus-connections.ts";
import { type Listener, listen } from "../../host/service-bus-listener.ts";
import type { Interference } from "../../local/broker/interference.ts";
import type { EntityCounts } from "../../local/broker/stored-message.ts";
import { startTcpProxy } from "../../local/kit/tcp-proxy.ts";
import type { OfferedDeliveries } from "../../shared/adapters/standalone-host/offered-deliveries.ts";
import { startBareBroker } from "../support/bare-broker.ts";
import { type LocalBus, startLocalBus } from "../support/local-broker-harness.ts";

const PATIENCE = { timeout: 15_000 };
const LONG_MS = 60_000;
const CALLS = 16;
/** Long enough for a client that was cut off to renew a lock again. */
const LOCK_MS = 10_000;

test("a source is listened at again though the connection is lost while its link is being closed", async () => {
  const connections = new Set<readonly [client: Socket, server: Socket]>();
  let isTaken = false;
  const bus = await startBus({
    onDelivery: (_delivery, send, detach) => {
      if (isTaken) return send();
      isTaken = true;
      // The broker never hears the client's answer to the detach, because the connection is lost soon after.
      for (const [client, server] of connections) client.unpipe(server);
      detach();
      setTimeout(() => [...connections].flat().forEach((socket) => void socket.destroy()), 50);
    },
  });
  const proxy = await startTcpProxy({
    to: bus.broker.port,
    onConnected: (client, server) => connections.add([client, server]),
  });
  onTestFinished(() => proxy.close());
  const { calls } = startListening(bus.broker.connectionString.replace(`:${bus.broker.port};`, `:${proxy.port};`));

  await bus.send("q", { body: 1 });
  await vi.waitFor(() => expect(isTaken).toBe(true), PATIENCE);
  await bus.send("q", { body: 2 });
  await vi.waitFor(() => expect(calls.map(({ body }) => body)).toContain("2"), PATIENCE);
});

test("listening ends, and no error is left unhandled, if the broker ignores a drain and answers the detach with an error", async () => {
  let isOpen = false;
  const bus = await startBareBroker({
    onReceiver: () => {},
    onSender: (sender) => {
      isOpen = true;
      sender.on("sender_close", () => sender.close({ condition: "amqp:internal-error", description: "a bad day" }));
    },
  });
  onTestFinished(() => bus.close());
  const { listener } = startListening(bus.connectionString);
  await vi.waitFor(() => expect(isOpen).toBe(true), PATIENCE);
  // Vitest fails if a rejection is not handled.
  await listener.stop();
});

test("many links that close at once bring no warning of a leak", async () => {
  const warnings = vi.fn<(warning: Error) => void>();
  process.on("warning", warnings);
  onTestFinished(() => void process.removeListener("warning", warnings));
  const bus = await startBus();
  const { client } = bus;
  const receivers = Array.from({ length: 20 }, () => client.createReceiver("q"));
  await Promise.all(receivers.map((receiver) => receiver.receiveMessages(1, { maxWaitTimeInMs: 100 })));
  await Promise.all(receivers.map((receiver) => receiver.close()));
  expect(warnings).not.toHaveBeenCalled();
});

/** Calls that run since before an outage, and as many messages that a new link has brought behind them. */
async function afterOutage(interference: Partial<Interference> = {}) {
  const bus = await startBus(interference);
  const { calls, gate } = startListening(bus.broker.connectionString);
  gate.shut();
  await bus.send("q", ...numbered(CALLS));
  await vi.waitFor(() => expect(calls).toHaveLength(CALLS), PATIENCE);
  await outage(bus);
  // The new link has a credit for each call, whatever runs.
  await send(bus, numbered(CALLS));
  await vi.waitFor(() => expect(held(bus).locked).toBe(2 * CALLS), PATIENCE);
  return { bus, calls, gate };
}

test("a link that was opened anew under load brings no more deliveries than calls may run, once the old ones have ended", {
  timeout: LONG_MS,
}, async () => {
  const { bus, gate } = await afterOutage();
  gate.open();
  await vi.waitFor(() => expect(held(bus).active).toBe(0), PATIENCE);

  gate.shut();
  await send(bus, numbered(60));
  await vi.waitFor(() => expect(gate.waiting()).toBe(CALLS), PATIENCE);
  expect(held(bus)).toMatchObject({ active: 60, locked: CALLS });
  gate.open();
  await vi.waitFor(() => expect(held(bus).active).toBe(0), PATIENCE);
});

test("a delivery that waits for its turn stays locked", { timeout: LONG_MS }, async () => {
  const { bus, calls, gate } = await afterOutage();
  const lapsedBy = Date.now() + 1.5 * LOCK_MS;
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(lapsedBy), 2 * LOCK_MS);
  gate.open();
  await vi.waitFor(() => expect(held(bus).active).toBe(0), PATIENCE);
  expect(calls).toHaveLength(2 * CALLS);
});

test("a delivery whose lock is lost while it waits for its turn is not run", { timeout: LONG_MS }, async () => {
  const refused = new Set<unknown>();
  const { bus, calls, gate } = await afterOutage({
    onCall: async ({ operation, body }, carryOut) => {
      const reply = carryOut();
      if (operation === "com.microsoft:renew-lock" && reply.statusCode !== 200) refused.add(JSON.stringify(body));
      return reply;
    },
  });
  bus.passTime(LOCK_MS + 1);
  await vi.waitFor(() => expect(refused.size).toBe(2 * CALLS), PATIENCE);
  gate.open();
  await vi.waitFor(() => expect(held(bus).active).toBe(0), PATIENCE);
  // The first of them ran already when their locks were lost, so that they run once more.
  expect(calls.slice(CALLS).map(({ deliveryCount }) => deliveryCount)).toEqual(Array(2 * CALLS).fill("2"));
});

/** A bus with the one queue `q`. The test may stand between the bus and its clients. */
async function startBus(interference: Partial<Interference> = {}): Promise<LocalBus> {
  const bus = await startLocalBus(
    { queues: [{ name: "q", lockDurationMs: LOCK_MS }] },
    {
      interference: {
        onCall: async (_call, carryOut) => carryOut(),
        onSettlement: async (_settlement, carryOut) => carryOut(),
        onDelivery: (_delivery, send) => send(),
        ...interference,
      },
    },
  );
  onTestFinished(() => bus.close());
  return bus;
}

/** Cuts all clients off, and lets them come back. */
async function outage({ broker }: LocalBus): Promise<void> {
  await broker.stop();
  await broker.start();
}

/** Sends with a client of its own, because a client that is just losing its connection when it sends never recovers. */
async function send({ broker }: LocalBus, messages: ServiceBusMessage[]): Promise<void> {
  const client = new ServiceBusClient(broker.connectionString);
  await client.createSender("q").sendMessages(messages);
  await client.close();
}

function numbered(count: number): ServiceBusMessage[] {
  return Array.from({ length: count }, (_, index) => ({ body: index }));
}

function held({ broker }: LocalBus): EntityCounts {
  const counts = broker.counts()["q"];
  if (counts === undefined) throw new Error("the broker has the queue q");
  return counts;
}

interface Call {
  readonly body: unknown;
  readonly deliveryCount: unknown;
}

/** Lets calls end as they come, or has them wait. */
interface Gate {
  shut(): void;
  open(): void;
  /** How many calls wait. */
  waiting(): number;
}

/** Listens at `q` with a function that completes each message. */
function startListening(connectionString: string): {
  readonly calls: readonly Call[];
  readonly gate: Gate;
  readonly listener: Listener;
} {
  const calls: Call[] = [];
  let waiting: (() => void)[] | undefined;
  const gate: Gate = {
    shut: () => {
      waiting = [];
    },
    open: () => {
      for (const go of waiting ?? []) go();
      waiting = undefined;
    },
    waiting: () => waiting?.length ?? 0,
  };
  const deliveries: OfferedDeliveries = new Map();
  const connections = connect({ ServiceBus: connectionString });
  const listener = listen({
    client: connections.client("ServiceBus"),
    entity: { queue: "q" },
    fn: {
      name: "takes",
      bindings: {},
      trigger: { bindingName: "message", binding: { type: "serviceBusTrigger" } },
      callback: () => undefined,
    },
    settings: {
      autoCompleteMessages: true,
      maxConcurrentCalls: CALLS,
      prefetchCount: 0,
      maxAutoLockRenewalDuration: 300_000,
    },
    deliveries,
    invoke: async (_fn, { input, metadata }) => {
      calls.push({ body: input.string, deliveryCount: metadata["DeliveryCount"]?.json });
      if (waiting) await new Promise<void>((resolve) => waiting?.push(resolve));
      return undefined;
    },
    log: { system: () => {}, of: () => () => {} },
  });
  onTestFinished(async () => {
    gate.open();
    await listener.stop();
    await connections.close();
  });
  return { calls, gate, listener };
}
