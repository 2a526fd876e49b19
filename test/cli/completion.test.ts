import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
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
    { words: ["completion", ""], offers: ["zsh", "bash", "fish", "powershell"] },
  ])("offers $offers after $words", async ({ words, offers }) => {
    expect(await offered(...words)).toEqual(offers);
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
