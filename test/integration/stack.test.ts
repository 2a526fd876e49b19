import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceBusClient } from "@azure/service-bus";
import { afterEach, expect, test, vi } from "vitest";
import { untilReady } from "../../local/stack/readiness.ts";
import type { Stack, StackOptions } from "../../local/stack/start-stack.ts";
import { isAlive } from "../support/is-alive.ts";
import { startLocalStack } from "../support/local-stack.ts";
import { ROOT } from "../support/run-program.ts";

const stacks: Stack[] = [];
afterEach(async () => {
  await Promise.all(stacks.splice(0).map((stack) => stack.stop()));
});

async function start(over: Partial<StackOptions> = {}): Promise<Stack> {
  const stack = await startLocalStack(join(ROOT, "modules"), { settings: {}, ...over });
  stacks.push(stack);
  return stack;
}

test("the stack comes up, gets ready, takes a message to its end, and leaves no process behind", async () => {
  const lines: string[] = [];
  const stack = await start({ onLine: (_, line) => lines.push(line) });
  const app = await stack.startApp();
  expect(await untilReady(`http://127.0.0.1:${String(app.ready["port"])}`, 10_000)).toEqual([]);
  expect(stack.parts.map(({ name }) => name).toSorted()).toEqual(["app", "broker", "cluster", "storage"]);

  const client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
  await client.createSender("greetings").sendMessages({ messageId: "m-1", body: { name: "Ada" } });
  await client.close();
  await vi.waitFor(
    () => expect(lines.join("\n")).toMatch(/closed a run.*"messageId":"m-1".*"outcome":"succeeded"/),
    15_000,
  );

  const pids = stack.parts.map(({ pid }) => pid);
  await stack.stop();
  expect(pids.filter(isAlive)).toEqual([]);
}, 60_000);

test("the README's own module runs as it stands", { timeout: 60_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "readme-module-"));
  const [, yaml = ""] =
    /^```yaml\n(name: thumbnail\n.*?)^```/ms.exec(readFileSync(join(ROOT, "README.md"), "utf8")) ?? [];
  await writeFile(join(directory, "thumbnail.yaml"), yaml);
  const lines: string[] = [];
  const stack = await start({ modulesDir: directory, onLine: (_, line) => lines.push(line) });
  await stack.startApp();
  const client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
  await client.createSender("thumbnails").sendMessages({ subject: "image.uploaded", body: { image: "a.png" } });
  await client.close();
  await vi.waitFor(() => expect(lines.join("\n")).toMatch(/closed a run.*"outcome":"succeeded"/), 30_000);
  expect(lines.join("\n")).toContain("preflight found nothing wrong");
  await rm(directory, { recursive: true });
});

test("a module that lacks a command is named before the first message", { timeout: 60_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "no-command-"));
  const worker = { image: "ghcr.io/acme/thumbnail:1.4", args: ["--quality", "80"] };
  await writeFile(
    join(directory, "thumbnail.json"),
    JSON.stringify({ name: "thumbnail", source: { queue: "q" }, worker }),
  );
  const lines: string[] = [];
  const stack = await start({ modulesDir: directory, onLine: (_, line) => lines.push(line) });
  await stack.startApp();
  await vi.waitFor(
    () =>
      expect(lines.join("\n")).toMatch(
        /preflight found an error.*"module":"thumbnail".*"field":"worker.command".*has no images/,
      ),
    20_000,
  );
  await rm(directory, { recursive: true });
});

test("an app that refuses its settings is named with its own words, and the rest stops", async () => {
  const stack = await start({ settings: { RECONCILE_SCHEDULE: "now and then" } });
  const error = await stack.startApp().catch((caught: unknown) => caught);
  expect(String(error)).toMatch(/the app ended with exit code 1[\s\S]*RECONCILE_SCHEDULE/);
  expect(String(error)).not.toMatch(/\n *at /);
  const pids = stack.parts.map(({ pid }) => pid);
  expect(pids).toHaveLength(3);
  await stack.stop();
  expect(pids.filter(isAlive)).toEqual([]);
}, 60_000);

test("a part that dies later fails the stack with its name", async () => {
  const stack = await start();
  const failed = stack.failed();
  const broker = stack.parts.find(({ name }) => name === "broker");
  process.kill(broker?.pid ?? 0, "SIGKILL");
  await expect(failed).rejects.toThrow("the broker ended with SIGKILL");
}, 60_000);

test("modules that are wrong stop it before anything is started", async () => {
  await expect(start({ modulesDir: join(ROOT, "no-such-directory") })).rejects.toThrow(/no-such-directory/);
});
