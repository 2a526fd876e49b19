import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { runProgram } from "../support/run-program.ts";
import { subcommands } from "../support/subcommands.ts";

const run = async (...args: string[]) => {
  const running = runProgram("cli", { args });
  const code = await running.ended;
  return { code, ...running.said };
};

describe.concurrent.each(subcommands())("dispatcher $name", ({ name }) => {
  test("says what it does and what it takes", async () => {
    const { code, stdout, stderr } = await run(...name.split(" "), "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const [usage = "", does = ""] = stdout.split("\n\n");
    expect(usage.startsWith(`Usage: dispatcher ${name}`)).toBe(true);
    expect(does).toMatch(/^[A-Z].*[.)]$/s);
    expect(stdout).toMatch(/^ {2}-h, --help +print this, and end$/m);
  });

  test("refuses a flag that it doesn't know", async () => {
    const { code, stdout, stderr } = await run(...name.split(" "), "--no-such-flag");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^error: .*\nAdd --help to see what this command takes\.\n/);
  });
});

test("loads no SDK until a subcommand needs one", () => {
  const main = readFileSync("dist/cli/main.js", "utf8");
  const first = [...main.matchAll(/^import .* from "\.\/(.*)";$/gm)].map(([, file = ""]) =>
    readFileSync(`dist/cli/${file}`, "utf8"),
  );
  for (const text of [main, ...first])
    expect(text).not.toMatch(/\/\/ node_modules\/(@azure|@kubernetes|rhea|undici)\b/);
});
