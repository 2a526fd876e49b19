import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { buildFixtureApp } from "../support/build-fixture-app.ts";
import { ROOT, runProgram } from "../support/run-program.ts";

const HOST_JSON = join(ROOT, "host.json");
const SLOW = `
  import { app } from "@azure/functions";
  app.http("slow", { authLevel: "anonymous", handler: async (_, context) => {
    context.log("begun");
    await new Promise((resolve) => setTimeout(resolve, 500));
    return { body: process.env.GREETING };
  } });`;
let directory: string;
let slow: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "host-program-"));
  slow = await buildFixtureApp(directory, "slow", SLOW);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function runHost(app: string, options: { port?: number; hostJson?: string; flags?: readonly string[] } = {}) {
  const { port = 0, hostJson = HOST_JSON, flags = [] } = options;
  const args = ["--app", app, "--host-json", hostJson, "--port", String(port), ...flags];
  return runProgram("host", { args, env: { GREETING: "hi" }, ipc: true });
}

/** The port that the host prints once it is ready. */
async function portOf(running: ReturnType<typeof runHost>): Promise<number> {
  await vi.waitFor(() => expect(running.said.stdout).toContain("\n"), 10_000);
  return Number(/"port":(\d+)/.exec(running.said.stdout)?.[1]);
}

test("says in one line that it is ready, and ends on SIGTERM when what runs has ended", async () => {
  const running = runHost(slow);
  const port = await portOf(running);
  expect(JSON.parse(running.said.stdout)).toEqual({ ready: true, port, functions: ["slow"] });
  const answer = fetch(`http://127.0.0.1:${port}/api/slow`);
  await vi.waitFor(() => expect(running.said.stderr).toContain("begun"), 5_000);
  running.child.kill("SIGTERM");
  expect(await (await answer).text()).toBe("hi");
  expect(await running.ended).toBe(0);
  expect(running.said.stdout.trim().split("\n")).toHaveLength(1);
});

test("ends at once on SIGTERM while the app still loads", async () => {
  const loading = `console.error("loading"); await new Promise((resolve) => setTimeout(resolve, 600_000));`;
  const running = runHost(await buildFixtureApp(directory, "loading", loading));
  await vi.waitFor(() => expect(running.said.stderr).toContain("loading"), 10_000);
  running.child.kill("SIGTERM");
  expect(await running.ended).toBe(0);
});

// macOS has one loopback address only.
test.skipIf(process.platform === "darwin")(
  "is reached from this machine alone, unless it is given another address",
  async () => {
    const [alone, elsewhere] = [runHost(slow), runHost(slow, { flags: ["--address", "127.0.0.2"] })];
    const ask = async (running: typeof alone) =>
      (await fetch(`http://127.0.0.2:${await portOf(running)}/api/slow`)).status;
    await expect(ask(alone)).rejects.toThrow("fetch failed");
    expect(await ask(elsewhere)).toBe(200);
    for (const { child, ended } of [alone, elsewhere]) {
      child.kill("SIGTERM");
      await ended;
    }
  },
);

test("exits with 1 naming an address that this machine doesn't have", async () => {
  const running = runHost(slow, { flags: ["--address", "192.0.2.1"] });
  expect(await running.ended).toBe(1);
  expect(running.said.stderr).toContain("192.0.2.1");
});

test("ends when its parent is gone", async () => {
  const running = runHost(slow);
  await portOf(running);
  running.child.disconnect();
  expect(await running.ended).toBe(0);
});

test("ends if its parent is gone before it has begun", async () => {
  const running = runHost(slow);
  running.child.disconnect();
  expect(await running.ended).toBe(0);
});

test("takes a free port if the one it was given is in use, and says so", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await vi.waitFor(() => expect(other.listening).toBe(true));
  const address = other.address();
  const taken = typeof address === "object" ? (address?.port ?? 0) : 0;
  const running = runHost(slow, { port: taken });
  const port = await portOf(running);
  expect(port).not.toBe(taken);
  expect(running.said.stderr).toContain(`port ${taken} is in use`);
  running.child.kill("SIGTERM");
  await running.ended;
  other.close();
});

test("exits with 1 and the app's own words when the app can't be loaded", async () => {
  const running = runHost(await buildFixtureApp(directory, "wrong", `throw new Error("JOB_NAMESPACE is missing");`));
  expect(await running.ended).toBe(1);
  expect(running.said.stderr).toContain("JOB_NAMESPACE is missing");
  expect(running.said.stdout).toBe("");
});

test("exits with 1 naming the field of host.json that is wrong", async () => {
  const hostJson = join(directory, "host.json");
  const content = { version: "2.0", extensions: { serviceBus: { prefetchCount: 10 } } };
  await writeFile(hostJson, JSON.stringify(content));
  const running = runHost(slow, { hostJson });
  expect(await running.ended).toBe(1);
  expect(running.said.stderr).toContain("host.json: extensions.serviceBus.prefetchCount");
});

test("exits with 2 and a hint if a flag is wrong", async () => {
  const running = runProgram("host", { args: ["--app", "x", "--port", "high"] });
  expect(await running.ended).toBe(2);
  expect(running.said.stderr).toMatch(/^error: option '--port <n>' argument 'high' is invalid\. .*\n.*--help/);
});
