import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBusClient } from "@azure/service-bus";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { widthOf } from "../../cli/text/width.ts";
import type { Stack } from "../../local/stack/start-stack.ts";
import { startRelease } from "../support/a-release.ts";
import { startLocalStack } from "../support/local-stack.ts";
import { runProgram } from "../support/run-program.ts";
import { runInTerminal } from "../support/terminal.ts";

// Dead letters that run once more, by the command, against the whole stack of this machine.

let directory: string;
let stack: Stack;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "redrive-command-"));
  const script = `echo "$DISPATCHER_RUN_ID \${DISPATCHER_REDRIVE:-0}" >> '${join(directory, "worked")}'; test -e '${join(directory, "mended")}' || { echo the font is missing; exit 3; }`;
  const container = { name: "main", image: "busybox:1.36", command: ["sh", "-c", script] };
  const module = {
    name: "render",
    source: { queue: "renders" },
    retry: { maxAttempts: 1 },
    jobTemplate: { spec: { template: { spec: { containers: [container] } } } },
  };
  const modules = join(directory, "modules");
  await mkdir(modules);
  await writeFile(join(modules, "render.json"), JSON.stringify(module));
  await writeFile(join(directory, "body"), "{}");
  stack = await startLocalStack(modules);
  await stack.startApp();
  for (const id of ["m-1", "m-2", "m-3"]) await dispatcher("send", "--source", "renders", "--id", id, "body");
  for (let dead = 0; dead < 3; dead = (await letters()).length) await sleep(500);
}, 120_000);
afterAll(async () => {
  await stack?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function dispatcher(...args: readonly string[]) {
  const running = runProgram("cli", { args, env: stack.settings, cwd: directory });
  const code = await running.ended;
  return { code, ...running.said };
}

async function letters() {
  const client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
  const found = await client.createReceiver("renders", { subQueueType: "deadLetter" }).peekMessages(10);
  await client.close();
  return found;
}

const linesOf = (text: string) => text.trimEnd().split("\n");

test("a person is told what can be redriven, and nothing is", { timeout: 60_000 }, async () => {
  const { code, stdout } = await dispatcher("dead", "redrive", "--all", "--dry-run");
  expect(stdout).toBe("renders: 3 dead letters can be redriven\n");
  expect(code).toBe(0);
  expect((await dispatcher("dead", "redrives")).stderr).toContain("no dead letter was ever redriven");
  expect((await letters()).map(({ state }) => state)).toEqual(["active", "active", "active"]);
  const none = await dispatcher("dead", "redrive", "--reason", "Cancelled");
  expect([none.code, none.stdout]).toEqual([0, "no dead letter of these can be redriven\n"]);
  for (const [words, why] of [
    [["--message-id", "m-1", "m-9"], "m-9: no dead letter that is chosen has this message id"],
    [["--group", "beef"], "beef: no dead letter that is chosen is of this group"],
    [["--module", "rendr"], "Did you mean render?"],
  ] as const) {
    const missed = await dispatcher("dead", "redrive", "--dry-run", ...words);
    expect([missed.code, missed.stderr]).toEqual([1, expect.stringContaining(why)]);
  }
  const unchosen = await dispatcher("dead", "redrive");
  expect([unchosen.code, unchosen.stderr]).toEqual([2, expect.stringContaining("choose what to redrive")]);
});

test("what a command prints to be pasted names the same Dispatcher, if a person named it", {
  timeout: 60_000,
}, async () => {
  const release = await startRelease(stack.settings, join(directory, "modules"), join(directory, "prod"));
  const said = async (...args: readonly string[]) => {
    const env = { PATH: process.env["PATH"] ?? "", KUBECONFIG: release.kubeconfig, HOME: directory };
    const running = runProgram("cli", { args: [...args, "--context", "prod"], env, cwd: directory });
    await running.ended;
    return running.said.stdout + running.said.stderr;
  };
  expect(await said("runs", "show", "m-1")).toMatch(/See: dispatcher dead show renders:\d+:\d+ --context=prod$/m);
  expect(await said("status")).toMatch(/See: dispatcher dead groups --context=prod$/m);
  expect(await said("runs", "explain", "m-9")).toMatch(/List runs with: dispatcher runs ls --context=prod$/m);
  expect(await said("preflight")).toMatch(/^This tries the rights of your login/m);
  release.close();
});

test("a canary that fails keeps the others from running", { timeout: 60_000 }, async () => {
  const { code, stderr } = await dispatcher("dead", "redrive", "--module", "render", "--canary", "--why", "a new font");
  expect(code).toBe(1);
  expect(stderr).toMatch(/The others are left, because renders:\d+:\d+:r1 failed\. See why: dispatcher runs explain/);
  const states = (await letters()).map(({ state }) => state);
  expect(states.filter((state) => state === "deferred")).toHaveLength(1);
  const [group = ""] = linesOf((await dispatcher("dead", "groups", "-o", "name")).stdout);
  const listed = await dispatcher("dead", "ls", "--group", group, "-o", "name");
  expect(linesOf(listed.stdout).filter((id) => id.endsWith(":r1"))).toHaveLength(1);
  expect(linesOf(listed.stdout)).toHaveLength(3);
});

test("all run once what failed is mended, and the letters are gone", { timeout: 120_000 }, async () => {
  await writeFile(join(directory, "mended"), "");
  const [group = ""] = linesOf((await dispatcher("dead", "groups", "-o", "name")).stdout);
  const { code, stdout } = await dispatcher(
    "dead",
    "redrive",
    "--group",
    group,
    "--canary",
    "--why",
    "the font is there",
  );
  expect(stdout).toMatch(/^succeeded: renders:\d+:\d+:r\d$/m);
  expect(stdout).toMatch(/^done: renders: 3 dead letters put back to run once more$/m);
  expect(stdout).toMatch(/^See what becomes of them: dispatcher runs ls --source=renders$/m);
  expect(code).toBe(0);
  await vi.waitFor(async () => expect(await letters()).toEqual([]), { timeout: 60_000, interval: 500 });
  // Each message kept its run's id for its worker, and ran once after it was mended.
  const worked = linesOf(readFileSync(join(directory, "worked"), "utf8")).map((line) => line.split(" "));
  expect(new Set(worked.map(([id]) => id)).size).toBe(3);
  expect(worked).toHaveLength(7);
  expect((await dispatcher("dead", "groups")).stderr).toContain("there are no dead letters");
  const shown = await dispatcher("runs", "show", "m-1");
  expect(shown.stdout).toMatch(/renders:\d+:\d+:r\d/);
  expect(shown.stdout).toContain("succeeded");
  const again = await dispatcher("runs", "retry", "m-1");
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("was not dead-lettered, because its run")]);
  const actions = await dispatcher("actions");
  expect(actions.stdout).toContain("redrive dead letters");
  expect(actions.stdout).toContain("the font is there");
});

test.each([80, 140])("the list of redrives fits into %i columns", { timeout: 60_000 }, async (columns) => {
  const { code, screen } = await runInTerminal(["dead", "redrives"], {
    columns,
    env: { ...stack.settings, NO_COLOR: "1" },
    cwd: directory,
  });
  expect(code).toBe(0);
  const lines = linesOf(screen);
  expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(columns);
  expect(lines[1]).toMatch(/^renders .* done +2 +-$/);
});
