import { describe, expect, it, onTestFinished } from "vitest";
import { startBroker } from "../../local/broker/start-broker.ts";
import { BusGate } from "../../prove/faults/bus-gate.ts";
import { FaultInjector } from "../../prove/faults/fault-injector.ts";
import { startFaultProxy } from "../../prove/faults/fault-proxy.ts";
import { Gate } from "../../prove/faults/gate.ts";
import { tableEdges } from "../../prove/faults/http-edge.ts";
import { NO_FAULTS } from "../../prove/faults/plan.ts";
import { makeServiceBusBroker } from "../../shared/adapters/service-bus/broker.ts";
import { UnavailableError } from "../../shared/errors.ts";
import { startLoopbackServer } from "../support/loopback-server.ts";

const source = { queue: "q" };
const injector = new FaultInjector(NO_FAULTS, []);
const handler = () => injector;

describe("a busy server", () => {
  it("can be the bus, whose refusals are an outage for the app's own adapter until they end", async () => {
    const gate = new Gate();
    const busGate = new BusGate(handler);
    const bus = await startBroker({
      entities: { queues: [{ name: "q" }], topics: [] },
      interference: busGate.interference,
    });
    onTestFinished(() => bus.close());
    const way = await busGate.open(0, bus.port, gate);
    const value = bus.connectionString.replace(`:${bus.port}`, `:${way.port}`);
    const broker = makeServiceBusBroker({ kind: "connectionString", value });
    onTestFinished(() => broker.close().then(() => way.close()));
    expect(await broker.peek(source, 1)).toBeUndefined();
    gate.throttle(1);
    await expect(broker.peek(source, 1)).rejects.toBeInstanceOf(UnavailableError);
    expect(gate.refused).toBeGreaterThan(0);
    gate.throttle(0);
    expect(await broker.peek(source, 1)).toBeUndefined();
  });

  it("can be a storage account, which gets no request while the gate answers 503 to all of them, without an edge too", async () => {
    const asked: string[] = [];
    const target = await startLoopbackServer((request, response) => {
      asked.push(request.url ?? "");
      response.end("{}");
    });
    const gate = new Gate();
    const proxy = await startFaultProxy({ replica: 0, server: "storage", target, handler, gate, edgesOf: tableEdges });
    onTestFinished(() => proxy.close());
    const statusOf = async (path: string) => (await fetch(`http://127.0.0.1:${proxy.port}${path}`)).status;
    gate.throttle(1);
    expect([await statusOf("/account/Runs()"), await statusOf("/nothing-known")]).toEqual([503, 503]);
    expect(asked).toEqual([]);
    gate.throttle(0);
    expect(await statusOf("/account/Runs()")).toBe(200);
    expect(asked).toHaveLength(1);
  });
});
