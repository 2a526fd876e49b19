import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { loadApp } from "../../host/core-api.ts";
import { type Host, type HostOptions, startHost } from "../../host/host.ts";
import { readHostJson } from "../../host/host-json.ts";
import { makeHostLog } from "../../host/host-log.ts";
import { buildFixtureApp } from "../support/build-fixture-app.ts";

let directory: string;
let hosts: Host[] = [];
const lines: string[] = [];
const log = makeHostLog((line) => lines.push(line));

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "host-test-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.stop(1_000)));
  hosts = [];
  lines.length = 0;
});

function call(port: number, headers: Record<string, string>): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/api/keyed`, { method: "POST", body: "ping", headers });
}

function timerSource(schedule: string): string {
  return `app.timer("tick", { schedule: "${schedule}", handler: () => {} });`;
}

async function start(name: string, source: string, options: Partial<HostOptions> = {}): Promise<Host> {
  const app = await loadApp(
    await buildFixtureApp(directory, name, `import { app } from "@azure/functions";${source}`),
    log.system,
  );
  const hostJson = await readHostJson("host.json");
  const host = await startHost({ app, hostJson, settings: {}, port: 0, log, ...options });
  hosts.push(host);
  return host;
}

describe("HTTP", () => {
  const source = `
    app.http("hello", { route: "hello/{name}", methods: ["GET"], authLevel: "anonymous",
      handler: async (request, context) => { context.log("greeting", request.params.name);
        return { status: 201, headers: { "x-a": "b" }, jsonBody: { hi: request.params.name, q: request.query.get("q") } }; } });
    app.http("keyed", { methods: ["POST"], authLevel: "function", handler: async (request) => ({ body: await request.text() }) });
    app.http("rest", { route: "files/{*path}", methods: ["GET"], authLevel: "anonymous",
      handler: (request) => ({ body: [request.params.path, new URL(request.url).pathname].join(" at ") }) });
    app.http("broken", { methods: ["GET"], authLevel: "anonymous", handler: () => { throw new Error("at once"); } });`;

  test("answers by route, method and parameters, and logs as it goes", async () => {
    const { port, functions } = await start("http", source);
    expect(functions).toEqual(["hello", "keyed", "rest", "broken"]);
    const response = await fetch(`http://127.0.0.1:${port}/api/hello/w%20orld?q=1`);
    expect(response.status).toBe(201);
    expect(response.headers.get("x-a")).toBe("b");
    expect(await response.json()).toEqual({ hi: "w orld", q: "1" });
    expect(lines.join("")).toMatch(/^\S+Z information hello greeting w orld\n/);
    expect((await fetch(`http://127.0.0.1:${port}/api/hello/x`, { method: "POST" })).status).toBe(405);
    expect((await fetch(`http://127.0.0.1:${port}/api/other`)).status).toBe(404);
  });

  test("takes the rest of a path, which may be empty, as a whole", async () => {
    const { port } = await start("http-rest", source);
    const textAt = async (path: string) => (await fetch(`http://127.0.0.1:${port}/api/files${path}`)).text();
    expect(await textAt("/a/b%2Fc")).toBe("a/b/c at /api/files/a/b%2Fc");
    expect(await textAt("/")).toBe(" at /api/files/");
    expect(await textAt("")).toBe(" at /api/files");
    expect((await fetch(`http://127.0.0.1:${port}/api/filesystem`)).status).toBe(404);
  });

  test("refuses what is no address, and a body that would fill its memory", async () => {
    const { port } = await start("http-wrong", source, { functionKey: "k" });
    expect((await fetch(`http://127.0.0.1:${port}/api/hello/%ff`)).status).toBe(400);
    const headers = { "x-functions-key": "k" };
    const url = `http://127.0.0.1:${port}/api/keyed`;
    const most = "x".repeat(4 * 1024 * 1024);
    expect((await (await fetch(url, { method: "POST", body: most, headers })).text()).length).toBe(most.length);
    expect((await fetch(url, { method: "POST", body: `${most}x`, headers })).status).toBe(413);
  });

  test("demands the key of a function that is not anonymous, and refuses every request without one", async () => {
    const { port } = await start("http-keyed", source, { functionKey: "s3cret" });
    expect((await call(port, {})).status).toBe(401);
    expect((await call(port, { "x-functions-key": "wrong" })).status).toBe(401);
    expect(await (await call(port, { "x-functions-key": "s3cret" })).text()).toBe("ping");
    const without = await start("http-keyless", source);
    expect((await call(without.port, { "x-functions-key": "" })).status).toBe(401);
  });

  test("answers 500 when the function throws, and logs its stack", async () => {
    const { port } = await start("http-broken", source);
    expect((await fetch(`http://127.0.0.1:${port}/api/broken`)).status).toBe(500);
    expect(lines.join("")).toMatch(/ error broken failed: Error: at once\n {6,}at /);
  });

  test("says that a port is taken", async () => {
    const { port } = await start("http-first", source);
    await expect(start("http-second", source, { port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});

describe("timer", () => {
  test("runs a tick that came due while one ran at once when that is over, and only once", async () => {
    globalThis.ticks = { running: 0, most: 0, inputs: [] as unknown[], release: () => {} };
    const { ticks } = globalThis;
    await start(
      "timer",
      `app.timer("tick", { schedule: "%EVERY%", handler: async (timer) => {
        ticks.inputs.push(timer); ticks.running += 1; ticks.most = Math.max(ticks.most, ticks.running);
        await new Promise((resolve) => { ticks.release = resolve; }); ticks.running -= 1; } });`,
      { settings: { EVERY: "* * * * * *" } },
    );
    await vi.waitFor(() => expect(ticks.running).toBe(1), 3_000);
    // Two more ticks are due meanwhile, at the next full second and the one after.
    const due = Date.now() + 2_300;
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(due), 4_000);
    expect(ticks.inputs).toHaveLength(1);
    expect(ticks.inputs[0]).toMatchObject({ isPastDue: false, schedule: { adjustForDST: true } });
    ticks.release();
    await vi.waitFor(() => expect(ticks.inputs).toHaveLength(2), 300);
    expect(ticks.most).toBe(1);
    ticks.release();
  });

  test.each([-3_600_000, 3_600_000])("goes on at once after the wall clock was set by %d ms", async (ms) => {
    globalThis.ticks = { running: 0, most: 0, inputs: [] as unknown[], release: () => {} };
    const { inputs } = globalThis.ticks;
    await start(
      `timer-set-by-${ms}`,
      `app.timer("tick", { schedule: "* * * * * *", handler: (timer) => { ticks.inputs.push(timer); } });`,
    );
    await vi.waitFor(() => expect(inputs.length).toBeGreaterThan(0), 3_000);
    const wrong = () => Math.round(performance.timeOrigin + performance.now() + ms);
    vi.useFakeTimers({ toFake: ["Date"], now: wrong() });
    try {
      // The faked time stands still, so that it is moved by hand.
      const ticked = inputs.length;
      for (let moved = 0; moved < 30 && inputs.length === ticked; moved += 1) {
        await sleep(100);
        vi.setSystemTime(wrong());
      }
      expect(inputs.length).toBeGreaterThan(ticked);
    } finally {
      vi.useRealTimers();
    }
  });

  test("refuses a malformed schedule, and a missing setting", async () => {
    await expect(start("timer-bad", timerSource("every minute"))).rejects.toThrow(/tick.*every minute.*NCRONTAB/);
    await expect(start("timer-missing", timerSource("%NOPE%"))).rejects.toThrow(
      /tick\.schedule.*setting NOPE is missing/,
    );
  });
});

describe("stopping", () => {
  test("tells the app, when its functions have ended, and does not wait for ever", async () => {
    globalThis.ticks = { running: 0, most: 0, inputs: [] as unknown[], release: () => {} };
    const host = await start(
      "told",
      `app.timer("tick", { schedule: "0 0 0 1 1 *", runOnStartup: true, handler: async () => {
        await new Promise((resolve) => setTimeout(resolve, 200)); ticks.inputs.push("ticked"); } });
      app.hook.appTerminate(() => { ticks.inputs.push("told"); return new Promise(() => {}); });`,
    );
    await host.stop(5_000);
    expect(globalThis.ticks.inputs).toEqual(["ticked", "told"]);
    hosts = [];
  });
});

describe("loading", () => {
  test("hands on what the app throws while it loads", async () => {
    await expect(start("throws", `throw new Error("MODULES_DIR is missing");`)).rejects.toThrow(
      "MODULES_DIR is missing",
    );
  });

  test("refuses an app that registers nothing", async () => {
    await expect(start("empty", "void app;")).rejects.toThrow(/registered no function/);
  });
});

declare global {
  // oxlint-disable-next-line no-var -- what the fixture apps in this process share with the tests
  var ticks: { running: number; most: number; inputs: unknown[]; release: () => void };
}
