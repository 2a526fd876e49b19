import { ServiceBusClient } from "@azure/service-bus";
import { expect, it, onTestFinished } from "vitest";
import { startBroker } from "../../local/broker/start-broker.ts";
import { BusGate } from "../../prove/faults/bus-gate.ts";
import { Director, type Victim } from "../../prove/faults/director.ts";
import { Gate } from "../../prove/faults/gate.ts";

const LOCK_MS = 5_000;
const LOST = { edge: "receive a message", deed: { do: "lose the reply", how: "silence" }, gap: 0 } as const;

it("loses a delivery on its way: the message is locked, and comes again, counted, when its lock has lapsed", async () => {
  const up: Victim = { isUp: true, generation: 1, kill() {}, freeze: async () => {} };
  const director = new Director({ faults: [LOST], blows: [], outages: [] }, [up]);
  const busGate = new BusGate(() => director);
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
  expect(director.done.get("receive a message")?.get("lose the reply")).toBe(1);
  const [again] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 2 * LOCK_MS });
  expect(again).toMatchObject({ body: "a", deliveryCount: 1 });
});
