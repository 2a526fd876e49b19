import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { moduleNames } from "../../cli/module-names.ts";
import { idsIn } from "../../cli/run-ids.ts";
import type { Run } from "../../shared/run/run.ts";
import { aRun } from "../support/a-run.ts";
import { makeFakeRunTable } from "../support/fake-run-table.ts";
import { runProgram } from "../support/run-program.ts";
import { makeTestClock } from "../support/test-clock.ts";

// Nothing listens there.
const AWAY_BUS = "Endpoint=sb://127.0.0.1:9;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true";
const AWAY_STORAGE =
  "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=Yg==;BlobEndpoint=http://127.0.0.1:9/a;QueueEndpoint=http://127.0.0.1:9/a;TableEndpoint=http://127.0.0.1:9/a";

async function run(...args: string[]) {
  const running = runProgram("cli", { args });
  const code = await running.ended;
  return { code, ...running.said };
}

/** What a shell is offered after these words. */
async function offered(...words: string[]): Promise<string[]> {
  const { stdout } = await run("complete", "--", ...words);
  return stdout
    .trimEnd()
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split("\t")[0] ?? "");
}

describe("completion", () => {
  test.each([
    { words: ["pre"], offers: ["preflight"] },
    { words: ["modules", "pa"], offers: ["pause"] },
    { words: ["modules", "pause", "--f"], offers: ["--for"] },
    { words: ["repair", "--as", "dead"], offers: ["dead-lettered"] },
    { words: ["dead", "ls", "--reason", "JobF"], offers: ["JobFailed"] },
    { words: ["runs", "ls", "--status", "runn"], offers: ["running"] },
    { words: ["completion", ""], offers: ["zsh", "bash", "fish", "powershell"] },
  ])("offers $offers after $words", async ({ words, offers }) => {
    expect(await offered(...words)).toEqual(offers);
  });

  test.each([
    { words: ["runs", "ls", "--module", ""] },
    { words: ["dead", "groups", "--module", ""] },
    { words: ["modules", "pause", ""] },
    { words: ["modules", "limit", ""] },
  ])("offers the modules of the module files after $words", async ({ words }) => {
    expect(await offered(...words)).toEqual(expect.arrayContaining(["greet", "report"]));
  });

  test.each([{ words: ["runs", "show", ""] }, { words: ["runs", "cancel", "a:1:2", "orders:"] }])(
    "offers nothing after $words if there is no Dispatcher, and says nothing",
    async ({ words }) => {
      const cwd = await mkdtemp(join(tmpdir(), "nothing-"));
      const running = runProgram("cli", { args: ["complete", "--", ...words], cwd });
      expect(await running.ended).toBe(0);
      expect(running.said).toEqual({ stdout: ":4\n", stderr: "" });
      await rm(cwd, { recursive: true });
    },
  );

  test("offers nothing if the table is away, soon, and says nothing", async () => {
    const env = { ServiceBus: AWAY_BUS, AzureWebJobsStorage: AWAY_STORAGE };
    const startedAt = performance.now();
    const running = runProgram("cli", { args: ["complete", "--", "runs", "explain", ""], env });
    expect(await running.ended).toBe(0);
    expect(running.said).toEqual({ stdout: ":4\n", stderr: "" });
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  test("offers the ids of open runs that begin like the word, those at work first", async () => {
    const clock = makeTestClock();
    const table = makeFakeRunTable({ clock });
    const insert = (over: Partial<Run>) => table.insert(aRun({ enqueuedAt: 5, ...over }));
    await insert({ sequenceNumber: 1, status: "waiting" });
    await insert({ sequenceNumber: 12, status: "held" });
    await insert({ sequenceNumber: 13, status: "dispatched" });
    await insert({ sequenceNumber: 2, source: { queue: "thumbs" }, status: "dispatched" });
    const sources = [{ queue: "thumbnails" }, { queue: "thumbs" }];
    const offers = (beginning: string) => idsIn(table, sources, beginning);
    expect(await offers("")).toEqual(["thumbnails:13:5", "thumbnails:1:5", "thumbnails:12:5", "thumbs:2:5"]);
    expect(await offers("thumbs")).toEqual(["thumbs:2:5"]);
    expect(await offers("thumbnails:1")).toEqual(["thumbnails:13:5", "thumbnails:1:5", "thumbnails:12:5"]);
    expect(await offers("thumbnails:12:")).toEqual(["thumbnails:12:5"]);
    expect(await offers("thumbnails:9")).toEqual([]);
    for (let number = 100; number < 300; number += 1) await insert({ sequenceNumber: number });
    expect(await offers("")).toHaveLength(100);
  });

  test("names the modules of YAML and JSON files, and nothing of what is none", async () => {
    const directory = await mkdtemp(join(tmpdir(), "modules-"));
    const files = {
      "a.yaml": 'source: { queue: a }\nname: "resize"\nworker: { name: no }\n',
      "b.json": '{ "name": "thumbnail", "source": { "queue": "b" } }',
      "c.schema.json": '{ "name": "schema" }',
      "d.yaml": "[",
      "e.txt": "name: text",
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    expect(moduleNames({ MODULES_DIR: directory })).toEqual(["resize", "thumbnail"]);
    const stack = join(directory, "stack");
    await writeFile(stack, JSON.stringify({ settings: { MODULES_DIR: directory } }));
    expect(moduleNames({}, stack)).toEqual(["resize", "thumbnail"]);
    expect(moduleNames({ MODULES_DIR: join(directory, "missing") })).toEqual([]);
    await rm(directory, { recursive: true });
  });

  test("has a script for bash that bash takes, and that knows the command", async () => {
    const { code, stdout } = await run("completion", "bash");
    expect(code).toBe(0);
    const said = execFileSync("bash", ["-c", `${stdout}\ncomplete -p dispatcher`], { encoding: "utf8" });
    expect(said).toMatch(/^complete .*_with_colons dispatcher\n$/);
  });

  test("has a script for bash that completes a word with colons", async () => {
    const { stdout } = await run("completion", "bash");
    // Stands in for what bash-completion has, and for what the command offers.
    const script = `
_get_comp_words_by_ref() { words=(dispatcher runs show orders:4); cword=3; cur=orders:4; prev=show; }
__ltrim_colon_completions() { COMPREPLY=("\${COMPREPLY[@]#\${1%"\${1##*:}"}}"); }
compopt() { :; }
${stdout.replaceAll(/requestComp="[^"]*complete -- [^"]*"/g, `requestComp="printf 'orders:42:7\\t\\n:4\\n'"`)}
__dispatcher_with_colons
echo "\${COMPREPLY[@]}"`;
    expect(execFileSync("bash", ["-c", script], { encoding: "utf8" })).toBe("42:7\n");
  });

  test.each(["zsh", "fish"])("has a script for %s", async (shell) => {
    const { code, stdout } = await run("completion", shell);
    expect({ code, asks: stdout.includes("dispatcher complete --") }).toEqual({ code: 0, asks: true });
  });

  test("refuses a shell that it doesn't know", async () => {
    const { code, stderr } = await run("completion", "tcsh");
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: .*'tcsh' is invalid.*Allowed choices are zsh, bash, fish, powershell/);
  });
});
