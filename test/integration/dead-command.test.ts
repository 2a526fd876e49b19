import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { ServiceBusClient } from "@azure/service-bus";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { widthOf } from "../../cli/text/width.ts";
import type { Stack } from "../../local/stack/start-stack.ts";
import { makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../shared/clock.ts";
import { readConfig } from "../../shared/config.ts";
import { runId } from "../../shared/run/run.ts";
import { aRun, closing } from "../support/a-run.ts";
import { startLocalStack } from "../support/local-stack.ts";
import { runProgram } from "../support/run-program.ts";
import { runInTerminal } from "../support/terminal.ts";

// What failed, as a person sees it by the command, against bus and storage of this machine.

const container = { name: "main", image: "busybox:1.36", command: ["true"] };
const MODULE = {
  name: "thumbnail",
  source: { queue: "thumbnails" },
  jobTemplate: { spec: { template: { spec: { containers: [container] } } } },
};
/** Clears the screen, colours what follows, and turns its direction round. */
const HOSTILE = `\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e${"x".repeat(60)}`;

let directory: string;
let stack: Stack;
/** The ids of the runs, in the order of their messages. */
let runs: string[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "dead-command-"));
  await writeFile(join(directory, "thumbnail.json"), JSON.stringify(MODULE));
  stack = await startLocalStack(directory);
  runs = await deadLetter("disk 1 is full", "no file", "disk 22 is full", HOSTILE, "disk 333 is full");
}, 60_000);
afterAll(async () => {
  await stack?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Dead-letters messages whose work ended with these words, and notes their runs as a replica does. */
async function deadLetter(...words: readonly string[]): Promise<string[]> {
  const { tables: connection, tableName, instance } = readConfig(stack.settings);
  if (connection.kind !== "connectionString") throw new Error("The stack has no connection string.");
  const table = makeAzureTable({ connection, tableName, instance, clock: systemClock });
  const source = { queue: "thumbnails" };
  await table.registerSource(source);
  const client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
  const sender = client.createSender("thumbnails");
  const receiver = client.createReceiver("thumbnails");
  const ids: string[] = [];
  for (const [index, said] of words.entries()) {
    await sender.sendMessages({ messageId: `${said}-${index}`, body: Buffer.from("the body") });
    const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
    const sequenceNumber = message?.sequenceNumber?.toNumber() ?? 0;
    const enqueuedAt = message?.enqueuedTimeUtc?.getTime() ?? 0;
    const run = aRun({ source, sequenceNumber, enqueuedAt, messageId: `${said}-${index}`, acceptedAt: enqueuedAt });
    const description = `no Job, attempt 1 of 1: ${said}`;
    const verdict = { outcome: "failed", reason: "JobFailed", exitCode: 7, description } as const;
    await table.close(
      await table.insert(run),
      closing(run, { status: "failed", verdict, closedAt: enqueuedAt + 1_000 + index }),
    );
    const reason = { deadLetterReason: "JobFailed", deadLetterErrorDescription: description };
    if (message) await receiver.deadLetterMessage(message, { ...reason, "dispatcher-run": runId(run) });
    ids.push(runId(run));
  }
  await client.close();
  return ids;
}

const inTerminal = (args: readonly string[], columns: number, typed?: string) =>
  runInTerminal(["dead", ...args], {
    columns,
    env: { ...stack.settings, NO_COLOR: "1" },
    cwd: directory,
    ...(typed === undefined ? {} : { typed }),
  });

async function inPipe(...args: readonly string[]) {
  const running = runProgram("cli", { args: ["dead", ...args], env: stack.settings, cwd: directory });
  const code = await running.ended;
  return { code, ...running.said };
}

describe.each([80, 140])("in a terminal of %i columns", (columns) => {
  test("groups and letters fit, the largest group first, and hostile words do nothing", async () => {
    for (const args of [["groups"], ["ls"]]) {
      const { code, screen } = await inTerminal(args, columns);
      expect(code).toBe(0);
      expect(["\u001b", "\u0007", "\u009b", "\u202e"].filter((unsafe) => screen.includes(unsafe))).toEqual([]);
      const lines = stripVTControlCharacters(screen).trimEnd().split("\n");
      expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(columns);
      const rows = args[0] === "groups" ? /thumbnail +JobFailed +(7 +)?[\da-f]{12}( |$)/ : /^thumbnails:\d+:\d{13} /;
      expect(lines.filter((line) => rows.test(line))).toHaveLength(args[0] === "groups" ? 3 : 5);
    }
    const { screen } = await inTerminal(["groups"], columns);
    expect(screen.split("\n")[0]).toMatch(/^COUNT +LAST +MODULE +REASON +(EXIT +)?GROUP( +LAST WORDS)?$/);
    expect(screen.split("\n")[1]).toMatch(/^3 +\d+[sm] ago +thumbnail +JobFailed +(7 +)?[\da-f]{12}/);
    expect(screen).toMatch(/ disk # is full$/m);
  });
});

describe("in a pipe", () => {
  test("groups lead to their letters, and these to all that is known of one", async () => {
    const [group = ""] = (await inPipe("groups", "-o", "name")).stdout.split("\n");
    const json: unknown = JSON.parse((await inPipe("groups", "-o", "json")).stdout);
    expect(json).toMatchObject([{ id: group, count: 3, isMore: false, sample: { run: runs[4] } }, {}, {}]);
    const listed = await inPipe("ls", "--group", group, "-o", "name");
    expect(listed.stdout.trimEnd().split("\n")).toEqual([runs[4], runs[2], runs[0]]);
    const words = (await inPipe("ls", "--group", group)).stdout.trimEnd().split("\n").slice(1);
    expect(words.map((line) => /disk \d+ is full$/.exec(line)?.[0])).toEqual(
      [333, 22, 1].map((disk) => `disk ${disk} is full`),
    );
    const first = await inPipe("ls", "--group", group, "--limit", "2", "-o", "name");
    expect(first.stderr).toBe(`there are more, by source, module, reason and group; go on with: --after ${runs[2]}\n`);
    const rest = await inPipe("ls", "--group", group, "--after", runs[2] ?? "", "-o", "name");
    expect(rest.stdout).toBe(`${runs[0]}\n`);
    const { code, stdout } = await inPipe("show", runs[0] ?? "");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^description +no Job, attempt 1 of 1: disk 1 is full$/m);
    expect(stdout).toMatch(/^on the bus +active, with a body of 8 bytes$/m);
    expect(stdout).toMatch(/^DeadLetterReason +JobFailed$/m);
    expect((await inPipe("show", "disk 1 is full-0", "-o", "name")).stdout).toBe(`${runs[0]}\n`);
  });

  test("an export has the letters with their properties, and bodies if asked for", async () => {
    const file = join(directory, "letters.jsonl");
    const run = runs[1] ?? "";
    expect(await inPipe("export", file, "--bodies", "--run", run)).toMatchObject({ code: 0, stdout: "" });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const line: unknown = JSON.parse(await readFile(file, "utf8"));
    expect(line).toMatchObject({
      run,
      reason: "JobFailed",
      onBus: true,
      message: { properties: { "dispatcher-run": run }, body: Buffer.from("the body").toString("base64") },
    });
    expect(await inPipe("export", file)).toMatchObject({ code: 1, stderr: expect.stringContaining("EEXIST") });
    const { stdout } = await inPipe("export", "-");
    expect(stdout.trimEnd().split("\n")).toHaveLength(5);
    expect(stdout).not.toContain(Buffer.from("the body").toString("base64"));
  });

  test.each([
    [["show", "thumbnails:99:1"], 1, /^error: thumbnails:99:1: no run has this id/],
    [["show", "elsewhere:1:1"], 1, /^error: elsewhere:1:1: neither the modules nor the table know its source/],
    [["ls", "--after", "nonsense"], 1, /^error: nonsense: neither/],
    [["ls", "--reason", "Bored"], 2, /^error: .*Allowed choices are JobFailed/],
    [["purge"], 2, /^error: choose what to purge/],
    [["purge", "--run", "x", "--module", "y"], 2, /^error: .*cannot be used with/],
    [["purge", "--module", "thumbnail"], 1, /error: Nothing was purged, because nobody can be asked\. Add --yes 5/],
    [
      ["purge", "--module", "thumbnail", "--yes", "4"],
      1,
      /error: Nothing was purged, because 5 dead letters are chosen/,
    ],
  ])("%j says in a line what is wrong", async (args, code, says) => {
    const ended = await inPipe(...args);
    expect(ended.code).toBe(code);
    expect(ended.stderr).toMatch(says);
  });
});

describe("a purge", () => {
  test("does nothing in a dry run, or if a person types another number", async () => {
    const dry = await inPipe("purge", "--run", runs[3] ?? "", "--dry-run");
    expect(dry).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^chosen: 1 dead letter\nin front of them: 3 /),
    });
    const { code, screen } = await inTerminal(["purge", "--run", runs[3] ?? ""], 80, "2\n");
    expect(code).toBe(1);
    expect(screen).toContain("Nothing was purged, because you did not type 1");
    expect((await inPipe("ls", "-o", "name")).stdout.trimEnd().split("\n")).toHaveLength(5);
  });

  test("takes what was chosen off the bus once its count is typed, and nothing else", async () => {
    const [group = ""] = (await inPipe("groups", "-o", "name")).stdout.split("\n");
    const { code, screen } = await inTerminal(["purge", "--group", group, "--why", "a bad release"], 80, "3\n");
    expect(screen).toContain("purged 3 dead letters");
    expect(code).toBe(0);
    const left = (await inPipe("ls", "-o", "name")).stdout.trimEnd().split("\n");
    expect(new Set(left)).toEqual(new Set([runs[1], runs[3]]));
    const { stdout } = await inPipe("show", runs[0] ?? "");
    expect(stdout).toMatch(/^on the bus +no letter of this run has its number/m);
    expect(await inPipe("purge", "--reason", "JobFailed", "--yes", "2")).toMatchObject({ code: 0 });
    expect(await inPipe("ls")).toMatchObject({ code: 0, stdout: "", stderr: "there are no such dead letters\n" });
  });
});

describe("a letter of others", () => {
  test("is listed, shown, and can be redriven, and its words do nothing to a terminal", {
    timeout: 60_000,
  }, async () => {
    const client = new ServiceBusClient(stack.settings["ServiceBus"] ?? "");
    await client.createSender("thumbnails").sendMessages({ messageId: "theirs", body: Buffer.from('{"size":1}') });
    const receiver = client.createReceiver("thumbnails");
    const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 10_000 });
    if (message)
      await receiver.deadLetterMessage(message, { deadLetterReason: HOSTILE, deadLetterErrorDescription: HOSTILE });
    await client.close();
    const id = (await inPipe("others", "-o", "name")).stdout.trim();
    expect(id).toMatch(/^thumbnails:\d+:\d{13}$/);
    for (const columns of [80, 140]) {
      const { code, screen } = await inTerminal(["others"], columns);
      expect(code).toBe(0);
      expect(["\u001b", "\u0007", "\u009b", "\u202e"].filter((unsafe) => screen.includes(unsafe))).toEqual([]);
      expect(Math.max(...screen.trimEnd().split("\n").map(widthOf))).toBeLessThanOrEqual(columns);
      expect(screen).toContain(id);
    }
    const { stdout } = await inPipe("show", id);
    expect(stdout).toMatch(/^left by +no run of this Dispatcher/m);
    expect(stdout).toMatch(/^can run +yes$/m);
    expect(stdout).not.toContain("size");
    expect((await inPipe("show", id, "--content")).stdout).toMatch(/^body +\{"size":1\}$/m);
    const asked = await inPipe("redrive", "--run", id, "--dry-run");
    expect(asked).toMatchObject({ code: 0, stdout: "thumbnails: 1 dead letter can be redriven\n" });
    expect((await inPipe("others", "--after", id)).stderr).toBe("there are no dead letters of others\n");
    const wrong = await inPipe("others", "--after", "nonsense");
    expect(wrong).toMatchObject({ code: 1, stderr: "error: No page has named this place as its next.\n" });
  });
});
