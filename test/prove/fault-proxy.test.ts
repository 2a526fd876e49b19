import { describe, expect, it, onTestFinished } from "vitest";
import type { CallHandler } from "../../prove/faults/call.ts";
import { startFaultProxy } from "../../prove/faults/fault-proxy.ts";
import { Gate } from "../../prove/faults/gate.ts";
import { tableEdges } from "../../prove/faults/http-edge.ts";
import { makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../shared/clock.ts";
import { ConflictError } from "../../shared/errors.ts";
import { aRun } from "../support/a-run.ts";
import { startLoopbackServer } from "../support/loopback-server.ts";

describe("a conflict that is injected on a transaction", () => {
  it("is answered as the service does, and is a conflict for the app's adapter", async () => {
    const target = await startLoopbackServer((_request, response) => response.writeHead(204).end());
    const answered: unknown[] = [];
    const conflicts: CallHandler = {
      async handle(call) {
        if (!call.edges.includes("insert a run")) return call.carryOut();
        const answer = call.refusal(409);
        answered.push(answer);
        return answer;
      },
    };
    const proxy = await startFaultProxy({
      replica: 0,
      server: "storage",
      target,
      handler: () => conflicts,
      gate: new Gate(),
      edgesOf: tableEdges,
    });
    onTestFinished(() => proxy.close());
    const table = makeAzureTable({
      connection: {
        kind: "connectionString",
        value: `DefaultEndpointsProtocol=http;AccountName=account;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:${proxy.port}/account;`,
      },
      tableName: "runs",
      instance: "dispatcher",
      clock: systemClock,
    });
    await expect(table.insert(aRun())).rejects.toBeInstanceOf(ConflictError);
    expect(answered).toEqual([expect.objectContaining({ status: 202 })]);
  });
});
