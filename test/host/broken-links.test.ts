import type { Socket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../host/service-bus-connections.ts";
import { type Listener, listen } from "../../host/service-bus-listener.ts";
import type { Interference } from "../../local/broker/interference.ts";
import { startTcpProxy } from "../../local/kit/tcp-proxy.ts";
import type { OfferedDeliveries } from "../../shared/adapters/standalone-host/offered-deliveries.ts";
import { startBareBroker } from "../support/bare-broker.ts";
import { type LocalBus, startLocalBus } from "../support/local-broker-harness.ts";

const PATIENCE = { timeout: 15_000 };

test("a source is listened at again though the connection is lost while its link is being closed", async () => {
  const connections = new Set<readonly [client: Socket, server: Socket]>();
  let isTaken = false;
  const bus = await startBus((_delivery, send, detach) => {
    if (isTaken) return send();
    isTaken = true;
    // The broker never hears the client's answer to the detach, because the connection is lost soon after.
    for (const [client, server] of connections) client.unpipe(server);
    detach();
    setTimeout(() => [...connections].flat().forEach((socket) => void socket.destroy()), 50);
  });
  const proxy = await startTcpProxy({
    to: bus.broker.port,
    onConnected: (client, server) => connections.add([client, server]),
  });
  onTestFinished(() => proxy.close());
  const { bodies } = startListening(bus.broker.connectionString.replace(`:${bus.broker.port};`, `:${proxy.port};`));

  await bus.send("q", { body: "taken away" });
  await vi.waitFor(() => expect(isTaken).toBe(true), PATIENCE);
  await bus.send("q", { body: "next" });
  await vi.waitFor(() => expect(bodies).toContain('"next"'), PATIENCE);
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
  // A rejection that nobody awaits would make Vitest fail.
  await listener.stop();
});

/** A bus with the one queue `q`, whose deliveries the test may lose. */
async function startBus(onDelivery: Interference["onDelivery"]): Promise<LocalBus> {
  const bus = await startLocalBus(
    { queues: [{ name: "q", lockDurationMs: 5_000 }] },
    {
      interference: {
        onCall: async (_call, carryOut) => carryOut(),
        onSettlement: async (_settlement, carryOut) => carryOut(),
        onDelivery,
      },
    },
  );
  onTestFinished(() => bus.close());
  return bus;
}

/** Listens at `q` with a function that completes each message, and notes its body. */
function startListening(connectionString: string): { readonly bodies: unknown[]; readonly listener: Listener } {
  const bodies: unknown[] = [];
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
      maxConcurrentCalls: 16,
      prefetchCount: 0,
      maxAutoLockRenewalDuration: 300_000,
    },
    deliveries,
    invoke: async (_fn, { input }) => void bodies.push(input.string),
    log: { system: () => {}, of: () => () => {} },
  });
  onTestFinished(async () => {
    await listener.stop();
    await connections.close();
  });
  return { bodies, listener };
}
