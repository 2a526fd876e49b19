import { expect, it, onTestFinished } from "vitest";
import { type GrpcStatus, startGrpcServer } from "../../local/host-link/grpc-server.ts";
import type { Fault } from "../../prove/faults/fault.ts";
import { faultName } from "../../prove/faults/fault.ts";
import { FaultInjector } from "../../prove/faults/fault-injector.ts";
import { NO_FAULTS } from "../../prove/faults/plan.ts";
import type { Replica } from "../../prove/faults/replica.ts";
import { startSettlementProxy } from "../../prove/faults/settlement-proxy.ts";
import { type GrpcAnswer, GrpcClient } from "../../shared/adapters/functions-host/grpc-client.ts";

const UP: Replica = { isUp: true, generation: 1, kill() {}, freeze: async () => {}, freezeUntil: async () => {} };
const DONE = { code: 0, message: "" };
const NO_ANSWER = { kind: "no answer", why: expect.any(String) as unknown };

/** Has an app ask its host to defer, through a proxy with one fault. `deeds` is what came to the host. */
async function ask(
  fault: Fault,
  answer: GrpcStatus = DONE,
): Promise<{ answer: GrpcAnswer; deeds: string[]; happened: boolean }> {
  const deeds: string[] = [];
  const edge = "have the host defer";
  const service = await startGrpcServer(async ({ path, request }) => {
    deeds.push(`${path} ${String(request)}`);
    return answer;
  });
  onTestFinished(service.close);
  const injector = new FaultInjector({ ...NO_FAULTS, callFaults: [{ edge, fault, gap: 0 }] }, [UP, UP]);
  const proxy = await startSettlementProxy({ replica: 0, handler: () => injector, to: service.port });
  onTestFinished(proxy.close);
  const client = new GrpcClient(`http://127.0.0.1:${proxy.port}`, 500);
  onTestFinished(() => client.close());
  const given = await client.call("/Settlement/Defer", Buffer.from("token"));
  return { answer: given, deeds, happened: injector.callFaults.counts.get(edge)?.has(faultName(fault)) === true };
}

it.each<{ name: string; fault: Fault; answer: unknown; isDone: boolean }>([
  {
    name: "answered, and its replica was frozen",
    fault: { kind: "freeze", when: "before", ms: 1 },
    answer: { kind: "status", ...DONE },
    isDone: true,
  },
  {
    name: "left in doubt before the deed",
    fault: { kind: "refuse", status: 2 },
    answer: { kind: "status", code: 2, message: "Exception was thrown by handler." },
    isDone: false,
  },
  {
    name: "left in doubt after the deed",
    fault: { kind: "deny", status: 2 },
    answer: { kind: "status", code: 2, message: "Exception was thrown by handler." },
    isDone: true,
  },
  {
    name: "told that there is no such service",
    fault: { kind: "refuse", status: 12 },
    answer: { kind: "status", code: 12, message: "injected" },
    isDone: false,
  },
  { name: "past its deadline before the deed", fault: { kind: "ignore" }, answer: NO_ANSWER, isDone: false },
  {
    name: "past its deadline after the deed",
    fault: { kind: "lose the reply", how: "silence" },
    answer: NO_ANSWER,
    isDone: true,
  },
  {
    name: "without its connection after the deed",
    fault: { kind: "lose the reply", how: "cut" },
    answer: NO_ANSWER,
    isDone: true,
  },
  { name: "without its connection", fault: { kind: "cut" }, answer: NO_ANSWER, isDone: false },
])("a call to the host can be $name", async ({ fault, answer, isDone }) => {
  const seen = await ask(fault);
  expect(seen).toEqual({ answer, deeds: isDone ? ["/Settlement/Defer token"] : [], happened: true });
});

it("does not count a fault after a deed that the host did not do", async () => {
  const notFound = { code: 9, message: "LockToken token not found." };
  const seen = await ask({ kind: "deny", status: 2 }, notFound);
  expect(seen).toMatchObject({ answer: { kind: "status", ...notFound }, happened: false });
});
