import { createServer } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type SettlementService, startSettlementService } from "../../local/host-link/settlement-service.ts";
import { hostAddress } from "../../shared/adapters/functions-host/address.ts";
import { makeFunctionsHostLink } from "../../shared/adapters/functions-host/host-link.ts";
import type { OfferedDeliveries } from "../../shared/adapters/standalone-host/offered-deliveries.ts";
import type { HostLink } from "../../shared/ports/host-link.ts";

const TOKEN = "3f2b0f0e-0000-4000-8000-00000000abcd";
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** A host with one delivery, whose settlements are listed. */
async function open(
  options: { readonly isMissing?: boolean; readonly timeoutMs?: number; readonly missingForMs?: number } = {},
): Promise<{ link: HostLink; service: SettlementService; settled: string[] }> {
  const settled: string[] = [];
  const settle = (how: string) => async () => void settled.push(how);
  const deliveries: OfferedDeliveries = new Map();
  deliveries.set(TOKEN, {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the service never looks at it
    message: {} as never,
    complete: settle("complete"),
    defer: settle("defer"),
    deadLetter: settle("deadLetter"),
  });
  const service = await startSettlementService(deliveries, options);
  closers.push(() => service.close());
  return { link: makeFunctionsHostLink(service.origin, options), service, settled };
}

describe("the Functions host's Settlement service", () => {
  it("is given the token, the properties as one AMQP map, and the letter's texts", async () => {
    const { link, service } = await open();
    await link.complete(TOKEN);
    await link.defer(TOKEN, {});
    await link.defer(TOKEN, { owner: "ü".repeat(200), attempt: 1, nothing: undefined });
    await link.deadLetter(TOKEN, { reason: "JobFailed", description: "", properties: { code: 3 } });
    expect(service.calls).toEqual([
      { path: "/Settlement/Complete", lockToken: TOKEN, properties: {} },
      { path: "/Settlement/Defer", lockToken: TOKEN, properties: {} },
      { path: "/Settlement/Defer", lockToken: TOKEN, properties: { owner: "ü".repeat(200), attempt: 1 } },
      {
        path: "/Settlement/Deadletter",
        lockToken: TOKEN,
        properties: { code: 3 },
        reason: "JobFailed",
        description: "",
      },
    ]);
  });

  it("leaves in doubt what it does not find, by its own words", async () => {
    const { link } = await open();
    expect(await link.complete("other")).toEqual({ kind: "in doubt", why: "status 9: LockToken other not found." });
  });

  it.each([
    { name: "UNKNOWN before the deed", mishap: { kind: "status", code: 2, message: "Lock löst, 100 %" }, done: [] },
    {
      name: "UNKNOWN after the deed",
      mishap: { kind: "status", code: 2, message: "Lock löst, 100 %", after: true },
      done: ["defer"],
    },
    {
      name: "a refusal without trailers",
      mishap: { kind: "headers only", code: 2, message: "Lock löst, 100 %" },
      done: [],
    },
  ] as const)("leaves in doubt what ends with $name", async ({ mishap, done }) => {
    const { link, service, settled } = await open();
    service.next(mishap);
    expect(await link.defer(TOKEN, {})).toEqual({ kind: "in doubt", why: "status 2: Lock löst, 100 %" });
    expect(settled).toEqual(done);
  });

  it.each([
    { name: "before the deed", after: {}, done: [] },
    { name: "after the deed", after: { after: true as const }, done: ["defer"] },
  ])("leaves in doubt what is not answered in time, $name, and cancels the call", async ({ after, done }) => {
    const { link, service, settled } = await open({ timeoutMs: 200 });
    service.next({ kind: "no answer", ...after });
    expect(await link.defer(TOKEN, {})).toEqual({ kind: "in doubt", why: "no answer within 200 ms" });
    expect(settled).toEqual(done);
    await vi.waitFor(() => expect(service.cancelled()).toBe(1));
    expect(await link.complete(TOKEN)).toEqual({ kind: "done" });
  });

  it.each([
    { name: "before the deed", after: {}, done: [] },
    { name: "after the deed", after: { after: true as const }, done: ["defer"] },
  ])("leaves in doubt what is cut off, $name, and connects again", async ({ after, done }) => {
    const { link, service, settled } = await open();
    service.next({ kind: "cut", ...after });
    expect(await link.defer(TOKEN, {})).toEqual({ kind: "in doubt", why: expect.any(String) });
    expect(settled).toEqual(done);
    expect(await link.complete(TOKEN)).toEqual({ kind: "done" });
  });

  it("leaves in doubt what a host that is away was asked, and settles when it is back", async () => {
    const { link, service } = await open();
    expect(await link.complete(TOKEN)).toEqual({ kind: "done" });
    await service.close();
    expect(await link.complete(TOKEN)).toEqual({ kind: "in doubt", why: expect.any(String) });
    const deliveries: OfferedDeliveries = new Map();
    const again = await startSettlementService(deliveries, { port: Number(new URL(service.origin).port) });
    closers.push(() => again.close());
    expect(await link.complete(TOKEN)).toMatchObject({ why: expect.stringContaining("not found") });
  });

  it.each([{ code: 12 }, { http: 404 }])(
    "is not asked again when it says that it does not exist: %j",
    async ({ code, http }) => {
      const { link, service } = await open();
      service.next(
        code === undefined
          ? { kind: "http", status: http ?? 0 }
          : { kind: "headers only", code, message: "Service is unimplemented." },
      );
      expect(await link.defer(TOKEN, {})).toEqual({ kind: "not offered" });
      expect(await link.complete(TOKEN)).toEqual({ kind: "not offered" });
      expect(await link.problem()).toContain("version 5.13 or later");
      expect(service.calls).toHaveLength(1);
    },
  );

  it("is asked again after a while, because a host that starts anew may say so", async () => {
    const { link, service, settled } = await open({ missingForMs: 0 });
    service.next({ kind: "http", status: 404 });
    expect(await link.defer(TOKEN, {})).toEqual({ kind: "not offered" });
    expect(await link.problem()).toBeUndefined();
    expect(await link.defer(TOKEN, {})).toEqual({ kind: "done" });
    expect(settled).toEqual(["defer"]);
  });

  it("carries 2,000 calls at once", async () => {
    const { link } = await open();
    const answers = await Promise.all(Array.from({ length: 2_000 }, () => link.complete(TOKEN)));
    expect(answers.every(({ kind }) => kind === "done")).toBe(true);
  });

  it.each([
    { name: "a host that has the service", isMissing: false, problem: undefined },
    { name: "a host that is too old", isMissing: true, problem: expect.stringContaining("version 5.13 or later") },
  ])("is looked for without touching a message: $name", async ({ isMissing, problem }) => {
    const { link, settled } = await open({ isMissing });
    expect(await link.problem()).toEqual(problem);
    expect(settled).toEqual([]);
    expect(await link.defer(TOKEN, {})).toEqual({ kind: isMissing ? "not offered" : "done" });
  });

  it("is said not to answer if something else listens there", async () => {
    const server = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    closers.push(() => server.close());
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    expect(await makeFunctionsHostLink(`http://127.0.0.1:${port}`, { timeoutMs: 500 }).problem()).toMatch(
      /^the Settlement service of the Functions host can't be asked: /,
    );
  });

  it("is not there if no Functions host started the process", async () => {
    const link = makeFunctionsHostLink(hostAddress(["node", "main.js"]));
    expect(await link.problem()).toBe("no Functions host started this process");
    expect(await link.complete(TOKEN)).toEqual({ kind: "not offered" });
  });
});

describe("the host's address", () => {
  it.each([
    [["--functions-uri", "http://127.0.0.1:50051/"], "http://127.0.0.1:50051"],
    [["--functions-uri=http://127.0.0.1:50051"], "http://127.0.0.1:50051"],
    [["--host", "127.0.0.1", "--port", "50051", "--workerId", "1"], "http://127.0.0.1:50051"],
    [["--functions-uri", "nonsense"], undefined],
    [["--host", "127.0.0.1"], undefined],
    [[], undefined],
  ])("is read from the worker's arguments: %j", (args, address) => {
    expect(hostAddress(["node", "worker.js", ...args])).toBe(address);
  });
});
