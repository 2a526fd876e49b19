import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceBusClient } from "@azure/service-bus";
import Long from "long";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { neededEnvironment } from "../../local/stack/own-environment.ts";
import type { Stack } from "../../local/stack/start-stack.ts";
import { startLocalStack } from "../support/local-stack.ts";
import { ROOT } from "../support/run-program.ts";

const container = { name: "main", image: "busybox:1.36", command: ["true"] };
const work = { jobTemplate: { spec: { template: { spec: { containers: [container] } } } } };
const MODULES = {
  stray: { name: "stray", source: { queue: "strays" }, ...work },
  paused: { name: "paused", source: { queue: "paused" }, maxActive: 0, ...work },
};

let directory: string;
let stack: Stack;
let client: ServiceBusClient;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "repair-"));
  for (const [name, module] of Object.entries(MODULES))
    await writeFile(join(directory, `${name}.json`), JSON.stringify(module));
  stack = await startLocalStack(directory);
  client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
}, 60_000);
afterAll(async () => {
  await client?.close();
  await stack?.stop();
  await rm(directory, { recursive: true, force: true });
});

const repair = (...args: readonly string[]) => dispatcher("repair", ...args);

/** Runs the built command with the app's own settings. */
async function dispatcher(...args: readonly string[]) {
  const child = spawn(process.execPath, [join(ROOT, "dist", "cli", "main.js"), ...args], {
    cwd: directory,
    env: { ...neededEnvironment(process.env), ...stack.settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said.stderr += chunk.toString()));
  await once(child, "close");
  return { code: child.exitCode, ...said };
}

/** Lets a foreign Dispatcher accept a message, and never continue it. */
async function deferAsSomebodyElse(queue: string): Promise<void> {
  await client.createSender(queue).sendMessages({ messageId: "m-1", body: Buffer.from("x") });
  const receiver = client.createReceiver(queue);
  const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
  if (message) await receiver.deferMessage(message, { "dispatcher-owner": "somebody else" });
  await receiver.close();
}

/** The messages in a queue. It peeks from the queue's start, because a client remembers how far it has peeked. */
const peeked = (queue: string, options = {}) =>
  client.createReceiver(queue, options).peekMessages(10, { fromSequenceNumber: Long.ONE });

test("looks, adopts what it is told to, and the running Dispatcher carries it to its end", {
  timeout: 60_000,
}, async () => {
  expect(await repair()).toEqual({
    code: 0,
    stdout: "nothing needs to be repaired: looked at 0 open runs, 0 Jobs, 0 messages, 0 dead letters, 0 rows\n",
    stderr: "",
  });
  await deferAsSomebodyElse("strays");
  await stack.startApp();

  const { code, stdout } = await repair();
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /^(strays:1:\d+): a deferred message \(id "m-1"\) without a row, with the stamp of owner "somebody else"; module stray takes it: dispatcher repair --adopt '\1'\nfound 1 thing: looked at /,
  );
  expect((await peeked("strays"))[0]?.applicationProperties).toMatchObject({ "dispatcher-owner": "somebody else" });

  const id = stdout.split(": ")[0] ?? "";
  const adopted = await repair("--adopt", id, "--why", "the table was lost");
  expect(adopted).toMatchObject({ code: 0, stdout: expect.stringMatching(/^done: strays:1:\d+: /) });
  expect(adopted.stderr).toMatch(/^adopted a message by hand \(.*who \S+, why the table was lost\)$/m);
  const { stdout: listed } = await dispatcher("actions", "--output", "json");
  expect(JSON.parse(listed)).toMatchObject([{ what: "adopt", subject: id, why: "the table was lost" }]);
  expect((await dispatcher("actions")).stdout).toMatch(/^WHEN .*\n\d{4}-.* adopt +strays:1:\d+ +the table was lost\n$/);
  await vi.waitFor(async () => expect(await peeked("strays")).toEqual([]), { timeout: 30_000, interval: 250 });
  expect(await peeked("strays", { subQueueType: "deadLetter" })).toEqual([]);

  expect(await repair("--adopt", id)).toMatchObject({ code: 1, stdout: expect.stringMatching(/^refused: /) });
  expect(await repair("--adopt-owner", "somebody else")).toMatchObject({ code: 0 });
});

test("cancels a run that waits, and says what it can't do", { timeout: 60_000 }, async () => {
  await client.createSender("paused").sendMessages({ messageId: "m-2", body: Buffer.from("x") });
  const id = await vi.waitFor(
    async () => {
      const [message] = await peeked("paused");
      expect(message?.state).toBe("deferred");
      return `paused:1:${message?.enqueuedTimeUtc?.getTime()}`;
    },
    { timeout: 30_000, interval: 250 },
  );
  expect(await repair("--force", id, "--as", "completed")).toMatchObject({
    code: 1,
    stdout: `refused: ${id}: it has no Job. Use --cancel instead\n`,
  });
  expect(await repair("--cancel", id)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^done: /) });
  await vi.waitFor(
    async () => {
      const [letter] = await peeked("paused", { subQueueType: "deadLetter" });
      expect(letter).toMatchObject({ messageId: "m-2", deadLetterReason: "Cancelled" });
    },
    { timeout: 30_000, interval: 250 },
  );
  expect(await repair("--cancel", "paused:7:1", "--cancel", "elsewhere:1:1")).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(
      /^refused: paused:7:1: no run has this id\nrefused: elsewhere:1:1: neither the modules nor the table know its source/,
    ),
  });
});

test.each([
  ["an unknown flag", ["--all"], "'--all'"],
  ["two actions at once", ["--cancel", "a:1:1", "--adopt", "a:1:1"], "cannot be used with option"],
  ["two actions that take no run", ["--accept-cluster", "--accept-loss", "s"], "cannot be used with option"],
  ["an unknown outcome", ["--force", "a:1:1", "--as", "done"], "completed, dead-lettered, retried"],
  ["--force without an outcome", ["--force", "a:1:1"], "--force and --as go together"],
  ["an outcome without --force", ["--as", "retried"], "--force and --as go together"],
  ["an outcome of another action", ["--cancel", "a:1:1", "--as", "retried"], "--force and --as go together"],
  ["a reason without an action", ["--why", "so"], "--why and --dry-run go with an action"],
  ["an argument without a flag", ["a:1:1"], "too many arguments"],
])("says how to see its flags, ends with 2 and asks no server for %s", async (_, args, says) => {
  const { code, stdout, stderr } = await repair(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(says);
  expect(stderr).toMatch(/^error: .*\nAdd --help /);
});
