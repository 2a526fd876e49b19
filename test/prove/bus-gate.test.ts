import { ServiceBusClient } from "@azure/service-bus";
import { expect, it, onTestFinished } from "vitest";
import { startBroker } from "../../local/broker/start-broker.ts";
import { BusGate } from "../../prove/faults/bus-gate.ts";
import { FaultInjector } from "../../prove/faults/fault-injector.ts";
import { Gate } from "../../prove/faults/gate.ts";
import { NO_FAULTS } from "../../prove/faults/plan.ts";
import type { Replica } from "../../prove/faults/replica.ts";

const LOCK_MS = 5_000;
const LOST = { edge: "receive a message", fault: { kind: "lose the reply", how: "silence" }, gap: 0 } as const;

it("loses a delivery on its way, so that the message comes again, counted, when its lock has lapsed", async () => {
  const up: Replica = { isUp: true, generation: 1, kill() {}, freeze: async () => {}, freezeUntil: async () => {} };
  const injector = new FaultInjector({ ...NO_FAULTS, callFaults: [LOST] }, [up]);
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
  const receiver = client.createReceiver("q");
  expect(await receiver.receiveMessages(1, { maxWaitTimeInMs: 1_000 })).toEqual([]);
  expect(injector.callFaults.counts.get("receive a message")?.get("lose the reply")).toBe(1);
  const [again] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 2 * LOCK_MS });
  expect(again).toMatchObject({ body: "a", deliveryCount: 1 });
});
