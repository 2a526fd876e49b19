import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceBusClient } from "@azure/service-bus";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Stack } from "../../local/stack/start-stack.ts";
import { isAlive } from "../support/is-alive.ts";
import { startLocalStack } from "../support/local-stack.ts";

let directory: string;
let modules: string;
let stack: Stack | undefined;
const lines: string[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "remembering-"));
  modules = join(directory, "modules");
  await mkdir(modules);
  lines.length = 0;
});
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
  await rm(directory, { recursive: true, force: true });
});

/** Writes a module whose worker runs this script, and notes each attempt in a file. */
function writeModule(name: string, script: string): Promise<void> {
  const note = `echo "$DISPATCHER_ATTEMPT" >> '${join(directory, name)}'`;
  const worker = { image: "busybox:1.36", command: ["sh", "-c", `${note}; ${script}`] };
  const retry = { maxAttempts: 2, backoff: { first: "1s", max: "1s" } };
  return writeFile(join(modules, `${name}.json`), JSON.stringify({ name, source: { queue: name }, retry, worker }));
}

const attempts = (name: string) => {
  const file = join(directory, name);
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
};

async function start(): Promise<Stack> {
  stack = await startLocalStack(modules, {
    stateDir: join(directory, "state"),
    onLine: (_, line) => lines.push(line),
  });
  await stack.startApp();
  return stack;
}

async function send({ settings }: Stack, queue: string): Promise<void> {
  const client = new ServiceBusClient(settings["ServiceBus"] ?? "");
  await client.createSender(queue).sendMessages({ messageId: `of-${queue}`, body: "x" });
  await client.close();
}

async function deadLetters({ settings }: Stack, queue: string) {
  const client = new ServiceBusClient(settings["ServiceBus"] ?? "");
  const found = await client.createReceiver(queue, { subQueueType: "deadLetter" }).peekMessages(10);
  await client.close();
  return found;
}

const closed = (queue: string) => new RegExp(`closed a run.*"messageId":"of-${queue}".*"outcome":"succeeded"`);

test("a stack that was killed goes on where it was: nothing is lost or done again, and its Jobs are interruptions", {
  timeout: 120_000,
}, async () => {
  await writeModule("quick", "exit 0");
  await writeModule("bad", "exit 1");
  await writeModule("slow", 'if [ "$DISPATCHER_ATTEMPT" = 1 ]; then sleep 600; fi');
  const first = await start();
  for (const queue of ["quick", "bad", "slow"]) await send(first, queue);
  await vi.waitFor(() => expect(lines.join("\n")).toMatch(closed("quick")), 30_000);
  await vi.waitFor(async () => expect(await deadLetters(first, "bad")).toHaveLength(1), 30_000);
  await vi.waitFor(() => expect(attempts("slow")).toEqual(["1"]), 30_000);
  const pids = first.parts.map(({ pid }) => pid);
  // Storage writes its files a moment later, and when it ends.
  for (const { name, pid } of first.parts) if (name !== "storage") process.kill(pid, "SIGKILL");
  await first.stop();
  await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), 10_000);

  lines.length = 0;
  const second = await start();
  expect(second.settings["DISPATCHER_INSTANCE"]).toBe(first.settings["DISPATCHER_INSTANCE"]);
  await vi.waitFor(() => expect(lines.join("\n")).toMatch(closed("slow")), 45_000);
  expect(attempts("slow")).toEqual(["1", "2"]);
  expect(attempts("quick")).toEqual(["1"]);
  expect(attempts("bad")).toEqual(["1", "2"]);
  expect(await deadLetters(second, "bad")).toMatchObject([{ messageId: "of-bad", deadLetterReason: "JobFailed" }]);
  expect(lines.join("\n")).toMatch(/an attempt ended.*"kind":"interruption"/);
});

test("changed module files are taken while a Job goes on, and wrong ones are not", { timeout: 120_000 }, async () => {
  await writeModule("slow", `while [ ! -e '${join(directory, "go")}' ]; do sleep 0.1; done`);
  const running = await start();
  await send(running, "slow");
  await vi.waitFor(() => expect(attempts("slow")).toEqual(["1"]), 30_000);

  await writeFile(join(modules, "wrong.yaml"), "name: Wrong\n");
  const pid = running.parts.find(({ name }) => name === "app")?.pid ?? 0;
  await expect(running.reload()).rejects.toThrow(/wrong\.yaml/);
  expect(isAlive(pid)).toBe(true);
  await rm(join(modules, "wrong.yaml"));

  await writeModule("added", "exit 0");
  await running.reload();
  expect(isAlive(pid)).toBe(false);
  await send(running, "added");
  await vi.waitFor(() => expect(lines.join("\n")).toMatch(closed("added")), 30_000);
  await writeFile(join(directory, "go"), "");
  await vi.waitFor(() => expect(lines.join("\n")).toMatch(closed("slow")), 30_000);
  expect(attempts("slow")).toEqual(["1"]);
});
