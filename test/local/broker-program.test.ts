import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ServiceBusClient } from "@azure/service-bus";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { openRaw } from "../support/raw-amqp.ts";
import { ROOT } from "../support/run-program.ts";

const program = join(ROOT, "dist/local/broker/main.js");
const READY = z.strictObject({ ready: z.literal(true), port: z.number(), connectionString: z.string() });
const ENTITIES = { queues: [{ name: "q" }], topics: [] };
const started: ChildProcess[] = [];
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "dispatcher-broker-"));
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

function run(entities: unknown, flags: readonly string[] = []) {
  const file = join(directory, "entities.json");
  writeFileSync(file, typeof entities === "string" ? entities : JSON.stringify(entities));
  const child = spawn(process.execPath, [program, "--entities", file, ...flags], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  started.push(child);
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return { child, exit: once(child, "exit"), errors: () => errors };
}

async function start(flags: readonly string[] = []) {
  const running = run(ENTITIES, flags);
  const lines: string[] = [];
  const { stdout } = running.child;
  if (stdout === null) throw new Error("The program has no stdout.");
  const reader = createInterface({ input: stdout }).on("line", (line) => lines.push(line));
  await once(reader, "line");
  return { ...running, lines, ready: READY.parse(JSON.parse(lines[0] ?? "")) };
}

test("prints one line when it listens, and takes messages by its connection string", async () => {
  const { ready, lines } = await start();
  const client = new ServiceBusClient(ready.connectionString);
  await client.createSender("q").sendMessages({ body: "x" });
  expect(await client.createReceiver("q").peekMessages(1)).toHaveLength(1);
  await client.close();
  expect(lines).toHaveLength(1);
});

test("signs its connection string with the key of a file, and takes no other", async () => {
  const file = join(directory, "key");
  writeFileSync(file, "c2VjcmV0\n");
  const { ready } = await start(["--key-file", file]);
  expect(ready.connectionString).toContain(";SharedAccessKey=c2VjcmV0;");
  const client = new ServiceBusClient(ready.connectionString);
  await client.createSender("q").sendMessages({ body: "x" });
  await client.close();
  await expect(openRaw(ready.port, "q")).rejects.toMatchObject({ condition: "amqp:unauthorized-access" });
});

test.each(["SIGTERM", "SIGINT"] as const)("ends with 0 on %s, also while a client is connected", async (signal) => {
  const { child, exit, ready } = await start();
  const client = new ServiceBusClient(ready.connectionString, { retryOptions: { maxRetries: 0 } });
  await client.createReceiver("q").peekMessages(1);
  child.kill(signal);
  expect(await exit).toEqual([0, null]);
  await client.close();
});

test("dies with its parent", async () => {
  const { child, exit } = await start();
  child.disconnect();
  expect(await exit).toEqual([0, null]);
});

test("takes another port if the wanted one is taken, and says so", async () => {
  const first = await start();
  const second = await start(["--port", String(first.ready.port)]);
  expect(second.ready.port).not.toBe(first.ready.port);
  expect(second.errors()).toContain(`port ${first.ready.port} is in use by another program`);
  const third = await start(["--port", "0"]);
  expect(third.ready.port).toBeGreaterThan(0);
});

test.each([
  { what: "a flag that it does not know", entities: ENTITIES, flags: ["--prot", "1"], says: /--prot/ },
  { what: "an invalid port", entities: ENTITIES, flags: ["--port", "abc"], says: /'--port <n>' argument 'abc'/ },
  {
    what: "a key file that it can't read",
    entities: ENTITIES,
    flags: ["--key-file", "/nowhere"],
    says: /\/nowhere: there is no key/,
  },
  { what: "entities that are not JSON", entities: "{", flags: [], says: /entities\.json.*JSON/s },
  { what: "an unknown field", entities: { queues: [{ name: "q", lock: 1 }], topics: [] }, flags: [], says: /lock/ },
  {
    what: "a filter that it cannot carry out",
    entities: { queues: [], topics: [{ name: "t", subscriptions: [{ name: "s", filter: { sql: "a LIKE 'b'" } }] }] },
    flags: [],
    says: /a LIKE 'b'/,
  },
])("ends with 2 and a hint on $what", async ({ entities, flags, says }) => {
  const { exit, errors } = run(entities, flags);
  expect(await exit).toEqual([2, null]);
  expect(errors()).toMatch(says);
  expect(errors()).toContain("--help");
});
