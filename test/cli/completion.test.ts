import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { moduleNames } from "../../cli/module-names.ts";
import { runProgram } from "../support/run-program.ts";

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
    expect(said).toMatch(/^complete .* dispatcher\n$/);
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
