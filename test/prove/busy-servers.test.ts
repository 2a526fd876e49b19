import { describe, expect, it, onTestFinished } from "vitest";
import { startBroker } from "../../local/broker/start-broker.ts";
import { BusGate } from "../../prove/faults/bus-gate.ts";
import { Director } from "../../prove/faults/director.ts";
import { startFaultProxy } from "../../prove/faults/fault-proxy.ts";
import { Gate } from "../../prove/faults/gate.ts";
import { tableEdges } from "../../prove/faults/http-edge.ts";
import { makeServiceBusBroker } from "../../shared/adapters/service-bus/broker.ts";
import { UnavailableError } from "../../shared/errors.ts";
import { startLoopbackServer } from "../support/loopback-server.ts";

const source = { queue: "q" };
const director = () => new Director({ faults: [], blows: [], outages: [] }, []);

describe("a busy server", () => {
  it("is the bus: its calls end as an outage for the app's own adapter, and go on when that is over", async () => {
    const gate = new Gate();
    const busGate = new BusGate(director);
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
    gate.busy(1);
    await expect(broker.peek(source, 1)).rejects.toBeInstanceOf(UnavailableError);
    expect(gate.refused).toBeGreaterThan(0);
    gate.busy(0);
    expect(await broker.peek(source, 1)).toBeUndefined();
  });

  it("is a storage account: it answers 503 to every request, those that no edge names too, and is asked for none", async () => {
    const asked: string[] = [];
    const target = await startLoopbackServer((request, response) => {
      asked.push(request.url ?? "");
      response.end("{}");
    });
    const gate = new Gate();
    const proxy = await startFaultProxy({ slot: 0, server: "storage", target, director, gate, edgesOf: tableEdges });
    onTestFinished(() => proxy.close());
    const statusOf = async (path: string) => (await fetch(`http://127.0.0.1:${proxy.port}${path}`)).status;
    gate.busy(1);
    expect([await statusOf("/account/Runs()"), await statusOf("/nothing-known")]).toEqual([503, 503]);
    expect(asked).toEqual([]);
    gate.busy(0);
    expect(await statusOf("/account/Runs()")).toBe(200);
    expect(asked).toHaveLength(1);
  });
});
