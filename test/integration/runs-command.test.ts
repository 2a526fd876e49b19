import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { widthOf } from "../../cli/text/width.ts";
import type { Stack } from "../../local/stack/start-stack.ts";
import { startLocalStack } from "../support/local-stack.ts";
import { runProgram } from "../support/run-program.ts";
import { runInTerminal } from "../support/terminal.ts";

// The questions that an operator asks about messages, each by one command, against the whole stack of this machine.

const module = (name: string, script: string, more: object = {}) => {
  const container = { name: "main", image: "busybox:1.36", command: ["sh", "-c", script] };
  const spec = { template: { spec: { containers: [container] } } };
  return { name, source: { queue: name }, jobTemplate: { spec }, ...more };
};
/** A worker that tries to take the terminal over, with a line of 200 KB. */
const HOSTILE = String.raw`printf '\033[2Jcleared\n\033]0;owned\007\n'; head -c 200000 /dev/zero | tr '\0' x; echo; printf '\342\200\256turned\n'; exit 3`;
const MODULES = [
  module("good", "echo all is well"),
  module("bad", HOSTILE, { retry: { maxAttempts: 1 } }),
  module("idle", "true", { maxActive: 0 }),
];
const HOSTILE_ID = "m-\u001b[31m\u202e-1";

let directory: string;
let stack: Stack;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "runs-"));
  for (const one of MODULES) await writeFile(join(directory, `${one.name}.json`), JSON.stringify(one));
  await writeFile(join(directory, "body"), '{"secret":"body"}');
  stack = await startLocalStack(directory);
  await stack.startApp();
  await dispatcher("send", "--source", "good", "--id", "good-1", "--correlation-id", "order-7", "body");
  await dispatcher("send", "--source", "bad", "--id", HOSTILE_ID, "body");
  await dispatcher("send", "--source", "idle", "--id", "idle-1", "body");
  await dispatcher("send", "--source", "idle", "--id", "twin", "--count", "1", "body");
  await dispatcher("send", "--source", "good", "--id", "twin", "body");
  for (const id of ["good-1", HOSTILE_ID]) await closed(id);
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

/** Waits until the message has a run, and the run is over. */
async function closed(id: string): Promise<number | NodeJS.Signals | null> {
  for (;;) {
    const { code, stderr } = await dispatcher("runs", "wait", id, "--timeout", "60s");
    if (!stderr.includes("No run has the id")) return code;
  }
}

const terminal = (args: readonly string[], columns: number) =>
  runInTerminal(args, { columns, env: { ...stack.settings, NO_COLOR: "1" }, cwd: directory });

const UNSAFE = ["\u001b", "\u0007", "\u202e"];
const unsafeIn = (text: string) => UNSAFE.filter((character) => text.includes(character));

describe("an operator learns", { timeout: 60_000 }, () => {
  test("what runs, what waits, and that nothing is wrong", async () => {
    const { code, stdout } = await dispatcher("status");
    expect(stdout).toMatch(/^instance local-\w+, Jobs in namespace dispatcher-jobs\nticked \d+s ago by \S+\n/);
    expect(stdout).toMatch(
      /^MODULE +AT WORK +SLOTS +IN LINE +LATER +HELD +OLDEST +A MINUTE +JOB P50 +P95 +DONE +FAILED$/m,
    );
    expect(stdout).toMatch(/^idle +0 +0 +2 /m);
    // One of its runs has failed, which is no problem of the Dispatcher.
    expect(stdout).not.toContain("What is wrong");
    expect(stdout).toMatch(/^\d+ runs? failed in the last hour\. See: dispatcher dead groups$/m);
    expect(code).toBe(0);
    const json: unknown = JSON.parse((await dispatcher("status", "-o", "json")).stdout);
    expect(json).toMatchObject({ namespace: "dispatcher-jobs", problems: [] });
  });

  test("the same while a module file is wrong, which the app has not loaded", async () => {
    const file = join(directory, "wrong.yaml");
    await writeFile(file, "name: [");
    const { code, stdout, stderr } = await dispatcher("status");
    expect(stdout).toMatch(/^idle +0 +0 +2 /m);
    expect(stderr).toMatch(/^a module file is wrong, and the running Dispatcher goes on .*wrong\.yaml:1:/m);
    expect(code).toBe(0);
    expect(await dispatcher("modules", "pause", "idle", "--dry-run")).toMatchObject({ code: 0 });
    // What judges messages by the files does not go on without one of them.
    const adopting = await dispatcher("repair", "--adopt", "good:1:1");
    expect(adopting).toMatchObject({ code: 1, stdout: "" });
    expect(adopting.stderr).toMatch(/^error: .*wrong\.yaml:1:/);
    await rm(file);
  });

  test("the same again and again, until Ctrl-C", async () => {
    const args = ["status", "--watch", "-o", "json"];
    const running = runProgram("cli", { args, env: stack.settings, cwd: directory });
    await vi.waitFor(() => expect(running.said.stdout.split("\n").length).toBeGreaterThan(2), 30_000);
    running.child.kill("SIGINT");
    expect(await running.ended).toBe(0);
    const shown = running.said.stdout.trimEnd().split("\n");
    for (const line of shown) expect(JSON.parse(line)).toMatchObject({ namespace: "dispatcher-jobs" });
  });

  test("the Job of a run as the cluster has it, and its events", async () => {
    const { code, stdout } = await dispatcher("runs", "show", "good-1", "--job");
    expect(stdout).toMatch(/^events +(\d{4}-\S+Z {2}|there are none)/m);
    expect(stdout).toMatch(/\n\napiVersion: batch\/v1\nkind: Job\nmetadata:\n/);
    expect(stdout).not.toContain("managedFields");
    expect(code).toBe(0);
    const json: unknown = JSON.parse((await dispatcher("runs", "show", "good-1", "--job", "-o", "json")).stdout);
    expect(json).toMatchObject({ inCluster: { attempt: 1, job: { found: { kind: "Job" } } } });
    const idle = (await dispatcher("runs", "ls", "--module", "idle", "-o", "name")).stdout.split("\n")[0] ?? "";
    const none = await dispatcher("runs", "show", idle, "--job");
    expect(none.stdout).toMatch(/^there is no Job, because no attempt has begun$/m);
  });

  test("which runs are open, and which are over", async () => {
    const open = await dispatcher("runs", "ls", "--module", "idle");
    expect(open.stdout).toMatch(/^RUN +MODULE +STATUS +TRY +AGE +RUNS FOR +MESSAGE +WHY$/m);
    expect(open.stdout).toMatch(/^idle:1:\d+ +idle +waiting +1 +\d+m?\d*s? +- +idle-1 +in line for a slot$/m);
    const json: unknown = JSON.parse((await dispatcher("runs", "ls", "--module", "idle", "-o", "json")).stdout);
    expect(json).toMatchObject([{ id: expect.stringMatching(/^idle:1:/), place: "line", waitsFor: "max-active" }, {}]);
    const closed = await dispatcher("runs", "ls", "--closed");
    expect(closed.stdout).toMatch(/^RUN +MODULE +STATUS +TRY +ENDED +TOOK +MESSAGE +WHY$/m);
    expect(closed.stdout).toMatch(/^good:1:\d+ +good +succeeded +1 +\d+m?\d*s? ago +\d+s +good-1 +-$/m);
    expect((await dispatcher("runs", "ls", "--closed", "--until", "1h")).stderr).toBe("no run of these was closed\n");
    const over = await dispatcher("runs", "ls", "--closed", "--status", "failed", "-o", "name");
    expect(over.stdout).toMatch(/^bad:1:\d+\n$/);
    const page = await dispatcher("runs", "ls", "--source", "idle", "--limit", "1", "-o", "name");
    expect(page.stderr).toMatch(/^there are more; go on with: --after \S+\n$/);
    const after = page.stderr.trim().split(" ").at(-1) ?? "";
    expect((await dispatcher("runs", "ls", "--source", "idle", "--after", after, "-o", "name")).stdout).toMatch(
      /^idle:2:/,
    );
  });

  test.each([80, 140])("it in a terminal of %i columns, without harm from ids, in lines that fit", async (columns) => {
    for (const args of [["runs", "ls", "--closed"], ["status"], ["actions"]]) {
      const { screen } = await terminal(args, columns);
      expect(Math.max(...withoutSpinner(screen).split("\n").map(widthOf))).toBeLessThanOrEqual(columns);
    }
    expect(withoutSpinner((await terminal(["runs", "ls", "--closed"], columns)).screen)).toMatch(/^good:1:\d{13} /m);
    for (const args of [
      ["runs", "ls", "--closed"],
      ["runs", "show", HOSTILE_ID, "--content"],
      ["runs", "explain", HOSTILE_ID],
    ]) {
      const { code, screen } = await terminal(args, columns);
      // The line that shows that something takes long is drawn by escape sequences.
      expect({ code, unsafe: unsafeIn(withoutSpinner(screen)) }).toEqual({ code: 0, unsafe: [] });
    }
  });

  test("where a message is, by its id or its correlation id", async () => {
    for (const id of ["good-1", "order-7"]) {
      const { code, stdout } = await dispatcher("runs", "show", id);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^run +good:1:\d+$/m);
      expect(stdout).toMatch(/^message +id good-1, correlation order-7$/m);
      expect(stdout).toMatch(/^times +20\S+Z {2}enqueued \(.* ago\)$/m);
      expect(stdout).toMatch(/ attempt 1: Job created \(\+\d+\.\d s\)$/m);
      expect(stdout).toMatch(/ attempt 1 succeeded \(\+\d+\.\d s\)$/m);
      expect(stdout).toMatch(/closed \(\+\d+\.\d s\)$/m);
      expect(stdout).not.toContain("secret");
    }
    expect((await dispatcher("runs", "ls", "--message-id", "twin", "-o", "name")).stdout).toMatch(
      /^(good|idle):2:\d+\n(good|idle):2:\d+\n$/,
    );
    expect(await dispatcher("runs", "show", "twin")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^error: 2 runs have the message id twin\. Give the id of one run; the newest are: \S+:2:\d+ \S+:2:\d+\n$/,
      ),
    });
  });

  test("what a message says, if it is asked for", async () => {
    const { stdout } = await dispatcher("runs", "show", "idle-1", "--content");
    expect(stdout).toMatch(/^body +\{"secret":"body"\}$/m);
    const json: unknown = JSON.parse((await dispatcher("runs", "show", "idle-1", "--content", "-o", "json")).stdout);
    expect(json).toMatchObject({ message: { found: { content: { body: '{"secret":"body"}', encoding: "utf8" } } } });
  });

  test("why a run waits, and where in its line", async () => {
    const { code, stdout } = await dispatcher("runs", "explain", "idle-1");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^It waits because its module has no free slot \(max-active\)\.$/m);
    expect(stdout).toMatch(/^Ahead of it in its module's line: 0\.$/m);
  });

  test("what a worker wrote, and nothing of it does anything to a terminal", async () => {
    expect(await dispatcher("runs", "logs", "good-1")).toMatchObject({ code: 0, stdout: "all is well\n" });
    const { stdout } = await dispatcher("runs", "logs", HOSTILE_ID);
    expect(stdout).toContain("␛[2Jcleared\n␛]0;owned␇\n");
    expect(stdout).toContain("\\u{202e}turned\n");
    expect(stdout).toContain("x".repeat(200_000));
    expect(unsafeIn(stdout)).toEqual([]);
    expect((await dispatcher("runs", "logs", HOSTILE_ID, "--raw")).stdout).toContain("\u001b[2J");
    expect((await dispatcher("runs", "logs", "good-1", "--follow")).stdout).toBe("1/main | all is well\n");
    expect(await dispatcher("runs", "logs", "idle-1")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no attempt of it has begun/),
    });
  });

  test("how a run ended, by the exit code", async () => {
    expect(await dispatcher("runs", "wait", "good-1")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^succeeded: good:1:/),
    });
    expect(await dispatcher("runs", "wait", HOSTILE_ID)).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/^failed: bad:1:/),
    });
    expect(await dispatcher("runs", "wait", "idle-1", "--timeout", "1s")).toMatchObject({ code: 7, stdout: "" });
  });

  test("who cancelled what, and why", async () => {
    expect(await dispatcher("runs", "cancel", "idle-1", "--dry-run")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^would: idle:1:/),
    });
    const wrong = await dispatcher("runs", "cancel", "idle-1", "no-such-id");
    expect(wrong).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/error: No run has the id no-such-id/),
    });
    expect(await dispatcher("runs", "cancel", "idle-1", "--why", "a mistake")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^done: idle:1:/),
    });
    expect(await dispatcher("runs", "wait", "idle-1", "--timeout", "30s")).toMatchObject({ code: 5 });
    const { stdout } = await dispatcher("actions");
    expect(stdout).toMatch(/^20\S+Z +\S+@\S+ +cancel +idle:1:\d+ +a mistake$/m);
  });

  test("what is wrong with what was asked", async () => {
    expect(await dispatcher("runs", "ls", "--source", "nowhere")).toMatchObject({
      code: 1,
      stderr: "error: No source is named nowhere: the known ones are bad, good, idle.\n",
    });
    expect(await dispatcher("runs", "ls", "--after", "x")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: No page has named/),
    });
    expect(await dispatcher("runs", "ls", "--module", "idel")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: "error: No module is named idel, and nothing of such a module was found. Did you mean idle?\n",
    });
    expect(await dispatcher("dead", "ls", "--module", "nothing-like-it")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: No module is named nothing-like-it, .* There are: bad, good, idle\n$/),
    });
    expect(await dispatcher("runs", "ls", "--since", "tomorrow")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/Give a duration such as 2h/),
    });
    expect(await dispatcher("runs", "explain", "nothing")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: No run has the id nothing, .*dispatcher runs ls\n$/),
    });
  });
});

/** Takes away the line that shows that something takes long, and the sequences by which it is drawn and erased. */
function withoutSpinner(screen: string): string {
  const drawn = ["[?25l", "[?25h", "[?2026h", "[?2026l"];
  const kept = drawn.reduce((text, sequence) => text.replaceAll(`\u001b${sequence}`, ""), screen);
  const erased = "\u001b[1G\u001b[0K";
  return kept
    .split("\n")
    .map((line) => line.slice(line.includes(erased) ? line.lastIndexOf(erased) + erased.length : 0))
    .join("\n");
}
