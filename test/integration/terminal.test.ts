import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { ServiceBusClient } from "@azure/service-bus";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { widthOf } from "../../cli/text/width.ts";
import type { Stack } from "../../local/stack/start-stack.ts";
import { startLocalStack } from "../support/local-stack.ts";
import { runProgram } from "../support/run-program.ts";
import { runInTerminal } from "../support/terminal.ts";

// The command as a person sees it, in a real terminal and in a pipe, against bus, storage and cluster of this machine.

const container = { name: "main", image: "busybox:1.36", command: ["true"] };
const work = { jobTemplate: { spec: { template: { spec: { containers: [container] } } } } };
const LONG = `when-it-is-very-long-${"x".repeat(150)}`;
const MODULES = [
  { name: "plain", source: { queue: "plain" }, ...work },
  { name: "long", source: { queue: "a-queue-with-quite-a-long-name-for-a-queue" }, when: { subject: LONG }, ...work },
];
/** Clears the screen, colours what follows, turns its direction round, and fills the terminal. */
const HOSTILE = `\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e${"x".repeat(60)}`;

let directory: string;
let stack: Stack;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "terminal-"));
  for (const module of MODULES) await writeFile(join(directory, `${module.name}.json`), JSON.stringify(module));
  stack = await startLocalStack(directory);
  await deferForeign();
}, 60_000);
afterAll(async () => {
  await stack?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Lets a message with hostile words wait for a person. */
async function deferForeign(): Promise<void> {
  const client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
  await client.createSender("plain").sendMessages({ messageId: HOSTILE, body: "x" });
  const receiver = client.createReceiver("plain");
  const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
  if (message) await receiver.deferMessage(message, { "dispatcher-owner": HOSTILE });
  await client.close();
}

const inTerminal = (args: readonly string[], columns: number, env: Readonly<Record<string, string>> = {}) =>
  runInTerminal(args, { columns, env: { ...stack.settings, ...env }, cwd: directory });

async function inPipe(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const running = runProgram("cli", { args, env: { ...stack.settings, ...env }, cwd: directory });
  const code = await running.ended;
  return { code, ...running.said };
}

describe("a table", () => {
  test.each([80, 140])("fits a terminal of %i columns", async (columns) => {
    const { code, screen } = await inTerminal(["modules", "ls"], columns);
    expect(code).toBe(0);
    const lines = stripVTControlCharacters(screen).trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^MODULE +SOURCE +WHEN +SLOTS +ATTEMPTS +MAX TIME/);
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(columns);
    expect(lines.find((line) => line.startsWith("long"))).toContain("…");
  });

  test("has colours in a terminal, and none in a dumb one, in a pipe, or with NO_COLOR", async () => {
    const escape = "\u001b[";
    expect((await inTerminal(["modules", "ls"], 80)).screen).toContain(escape);
    expect((await inTerminal(["modules", "ls"], 80, { NO_COLOR: "1" })).screen).not.toContain(escape);
    expect((await inTerminal(["modules", "ls"], 80, { TERM: "dumb" })).screen).not.toContain(escape);
    expect((await inPipe(["modules", "ls"])).stdout).not.toContain(escape);
  });

  test("is cut nowhere in a pipe, and is there for programs", async () => {
    expect((await inPipe(["modules", "ls"])).stdout).toContain(LONG);
    const json: unknown = JSON.parse((await inPipe(["modules", "ls", "-o", "json"])).stdout);
    expect(json).toMatchObject([{ name: "long", when: { subject: LONG } }, { name: "plain" }]);
    expect((await inPipe(["modules", "ls", "-o", "name"])).stdout).toBe("long\nplain\n");
  });
});

test.each([80, 140])("what a sender wrote does nothing to a terminal of %i columns", async (columns) => {
  const { code, screen } = await inTerminal(["audit"], columns, { NO_COLOR: "1" });
  expect(code).toBe(1);
  expect(screen).toContain("plain:1:");
  // The line that says how far the audit is moves the cursor, too, if it takes longer than a second.
  const ofSender = ["\u001b[2J", "\u001b]0", "\u0007", "\u009b", "\u202e"];
  expect(ofSender.filter((unsafe) => screen.includes(unsafe))).toEqual([]);
});

const AWAY =
  "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=Yg==;TableEndpoint=http://127.0.0.1:1/a;BlobEndpoint=http://127.0.0.1:1/a";

describe("says in one line what is wrong and what to do", () => {
  test.each([
    ["modules show nothing", {}, /^error: There is no module nothing\. Show one of: long, plain$/],
    ["modules ls", { AzureWebJobsStorage: AWAY }, /^error: The table DispatcherRuns can't be used just now/],
    ["modules ls", { JOB_RETENTION: "soon" }, /^error: JOB_RETENTION: "soon" is not allowed; write /],
    ["modules ls --context nowhere", {}, /^error: The kubeconfig has no context nowhere\. Give --context one of: /],
    ["send --source nowhere -", {}, /^error: No module takes messages from nowhere\. Send to one of: /],
    [
      "send --source plain no-such-file",
      {},
      /^error: The body can't be read \(ENOENT.*\)\. Give the path of a file, or -/,
    ],
  ])("dispatcher %s", async (words, env, says) => {
    const { code, stdout, stderr } = await inPipe(words.split(" "), env);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    const lines = stderr.trimEnd().split("\n");
    expect(lines.at(-1)).toMatch(says);
    expect(lines.filter((line) => line.startsWith("error: "))).toHaveLength(1);
  });
});

describe("send", () => {
  test("sends typed properties and an event, and says nothing if it is to be quiet", async () => {
    const flags =
      "--subject s --content-type text/plain --correlation-id c --property n:=3 --property yes:=true --property t=3";
    const event = "--cloudevent order.placed --cloudevent-source /shop --id m-1 --quiet";
    const args = ["send", "--source", "plain", ...flags.split(" "), ...event.split(" "), "-"];
    expect(await inPipe(args)).toMatchObject({ code: 0, stdout: "" });
    const client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
    const messages = await client.createReceiver("plain").peekMessages(10);
    await client.close();
    expect(messages.find(({ messageId }) => messageId === "m-1")).toMatchObject({
      subject: "s",
      contentType: "text/plain",
      correlationId: "c",
      applicationProperties: {
        n: 3,
        yes: true,
        t: "3",
        "cloudEvents:specversion": "1.0",
        "cloudEvents:type": "order.placed",
        "cloudEvents:source": "/shop",
        "cloudEvents:id": "m-1",
        "cloudEvents:time": expect.stringMatching(/^20/),
      },
    });
  });

  test("shows how far it is if that takes longer than a second", async () => {
    const args = ["send", "--source", "plain", "--count", "3000", "--quiet", "local.txt"];
    await writeFile(join(directory, "local.txt"), "x");
    const { code, screen } = await inTerminal(args, 80);
    expect(code).toBe(0);
    expect(screen).toMatch(/sending to plain: \d+ of 3000/);
  });
});

describe("a person's word on a module", () => {
  test("is obeyed, seen, and lifted", async () => {
    const why = "the mail server is down";
    expect(await inPipe(["modules", "pause", "plain", "--for", "1h", "--why", why, "--dry-run"])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^would: plain: /),
    });
    const paused = await inPipe(["modules", "pause", "plain", "--for", "1h", "--why", why]);
    expect(paused).toMatchObject({ code: 0, stdout: expect.stringMatching(/^done: plain: .*until 20/) });
    expect(paused.stderr.split("\n")[0]).toMatch(
      /^pause plain in instance local-\w+ \(bus 127\.0\.0\.1:\d+, Jobs in namespace dispatcher-jobs\), as .+@.+$/,
    );
    expect((await inPipe(["modules", "ls"])).stdout).toMatch(
      /^plain .* paused by .+@.+ until 20.* \(the mail server is down\)$/m,
    );
    expect(await inPipe(["modules", "limit", "plain", "3"])).toMatchObject({ code: 0 });
    expect((await inPipe(["modules", "ls"])).stdout).toMatch(/^plain +plain +- +3 /m);
    expect(await inPipe(["modules", "resume", "plain"])).toMatchObject({ code: 0 });
    expect(await inPipe(["modules", "resume", "plain"])).toMatchObject({
      code: 0,
      stdout: "already: plain: no person has paused or limited it\n",
    });
    expect(await inPipe(["modules", "pause", "nothing"])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^refused: nothing: /),
    });
  }, 60_000);
});
