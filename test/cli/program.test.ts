import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { globSync } from "tinyglobby";
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

describe.concurrent("a command that is not there", () => {
  test.each([
    { words: ["explain", "acme-1"], unknown: "explain", meant: "dispatcher runs explain" },
    { words: ["logs"], unknown: "logs", meant: "dispatcher runs logs" },
    { words: ["cancel"], unknown: "cancel", meant: "dispatcher runs cancel" },
    { words: ["pause", "acme"], unknown: "pause", meant: "dispatcher modules pause" },
    { words: ["resume"], unknown: "resume", meant: "dispatcher modules resume" },
    { words: ["limit"], unknown: "limit", meant: "dispatcher modules limit" },
    {
      words: ["show"],
      unknown: "show",
      meant: "one of dispatcher runs show, dispatcher dead show, dispatcher modules show",
    },
    { words: ["statsu"], unknown: "statsu", meant: "dispatcher status" },
    { words: ["runs", "lss"], unknown: "runs lss", meant: "dispatcher runs ls" },
    { words: ["runs", "pause"], unknown: "runs pause", meant: "dispatcher modules pause" },
    { words: ["help", "explain"], unknown: "explain", meant: "dispatcher runs explain" },
    { words: ["help", "dead", "grups"], unknown: "dead grups", meant: "dispatcher dead groups" },
  ])("is refused with the one that was meant: $words", async ({ words, unknown, meant }) => {
    const { code, stdout, stderr } = await run(...words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(`error: unknown command '${unknown}'\n(Did you mean ${meant}?)\n`);
  });

  test("is refused alone if none is nearly called so", async () => {
    const { code, stdout, stderr } = await run("help", "nosuch");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^error: unknown command 'nosuch'\nAdd --help/);
  });
});

test.each([
  { words: ["status"], usage: "dispatcher status [options]" },
  { words: ["runs", "ls"], usage: "dispatcher runs ls [options]" },
  { words: ["runs"], usage: "dispatcher runs [options] [command]" },
  { words: [], usage: "dispatcher [options] [command]" },
])("help prints the help of the command that is named: $words", async ({ words, usage }) => {
  const { code, stdout, stderr } = await run("help", ...words);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.startsWith(`Usage: ${usage}\n`)).toBe(true);
});

/** The packages in a file of the build, and in all that it loads at once. */
function loadedWith(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return new Set();
  seen.add(file);
  const text = readFileSync(`dist/cli/${file}`, "utf8");
  const own = [...text.matchAll(/^\s*\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)\//gm)].map(([, name = ""]) => name);
  const others = [...text.matchAll(/^(?:import|\} from) "\.\/(.*)";$/gm)];
  return new Set([...own, ...others.flatMap(([, other = ""]) => [...loadedWith(other, seen)])]);
}

const SDK = /^(@azure|@kubernetes|rhea|undici)\b/;

test("loads no SDK for --help", () => {
  const loaded = [...loadedWith("main.js")];
  expect(loaded).toContain("commander");
  expect(loaded.filter((name) => SDK.test(name))).toEqual([]);
});

test.each(["ls", "preflight", "audit"])("loads no SDK for %s before it asks something of a server", (name) => {
  // The build before may have left others of this name.
  const [newest = ""] = globSync(`dist/cli/${name}-*.js`).toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  const loaded = [...loadedWith(basename(newest))];
  expect(loaded).toContain("zod");
  expect(loaded.filter((one) => SDK.test(one))).toEqual([]);
});
