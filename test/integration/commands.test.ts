import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { globSync } from "tinyglobby";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { ROOT } from "../support/run-program.ts";

// Every program that a person starts by hand answers --help and --version, and refuses a wrong flag in words that its
// user understands.

const { version, scripts } = z
  .looseObject({ version: z.string(), scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync("package.json", "utf8")));

const built = globSync("dist/**/*.js", { ignore: ["dist/twins/**"] });
const readsFlags = (file: string) =>
  /from "@commander-js\/extra-typings"|function makeCommand\(/.test(readFileSync(file, "utf8"));
const programs = new Set([
  ...Object.values(scripts).flatMap((script) => [...script.matchAll(/\bnode (\S+\.js)/g)].map(([, file = ""]) => file)),
  ...built.filter((file) => file.endsWith("/main.js") || readsFlags(file)),
  ...globSync([".ci/*.js", "infra/*.sh"], { dot: true }),
]);
/** What a command can't do without: it misses that before it looks at other flags. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  "dist/bench/stub-cluster.js": ["--kubeconfig", "x", "--namespace", "x"],
  "dist/host/main.js": ["--app", "x", "--host-json", "x"],
  "dist/local/broker/main.js": ["--entities", "x"],
};
const commands = [...[...programs].toSorted().map((program) => [program]), ["dist/prove/proof/main.js", "--storms"]];

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command without any of this machine's settings. */
function run([program = "", ...args]: readonly string[], ...flags: readonly string[]): Promise<Ended> {
  const file = program.endsWith(".sh") ? "bash" : process.execPath;
  return new Promise((resolve) => {
    const options = { cwd: ROOT, env: { PATH: process.env["PATH"] ?? "" }, timeout: 60_000 };
    execFile(file, [program, ...args, ...flags], options, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout, stderr }),
    );
  });
}

test("finds the programs of the npm scripts, and those that these start", () => {
  expect(programs.size).toBeGreaterThan(15);
  for (const name of ["demo", "start", "send", "preflight", "repair", "cluster", "bench", "prove", "prove:twins"])
    expect(scripts[name]).toMatch(/^node build\.js --if-older && node dist\/\S+\.js( [a-z]+)?$/);
});

describe.concurrent.each(commands.map((words) => ({ command: words.join(" "), words })))("$command", ({ words }) => {
  test("says on stdout what it does and what it takes", { timeout: 60_000 }, async () => {
    const { code, stdout, stderr } = await run(words, "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const [usage = "", does = "", ...more] = stdout.split("\n\n");
    expect(usage).toMatch(/^usage: \S/i);
    expect(does).toMatch(/^[A-Z].*\.$/s);
    expect(more.join("\n\n")).toMatch(/^ {2}-h, --help +print this, and end$/m);
    expect(more.join("\n\n")).toMatch(/^ {2}--version +print the version\b/m);
    expect(await run(words, "-h")).toEqual({ code, stdout, stderr });
  });

  test("prints the version of package.json", { timeout: 60_000 }, async () => {
    expect(await run(words, "--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
  });

  test("refuses a flag that it doesn't know, and says how to see the others", { timeout: 60_000 }, async () => {
    const { code, stdout, stderr } = await run(words, ...(NEEDED[words[0] ?? ""] ?? []), "--no-such-flag");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr.split("\n")[0]).toContain("--no-such-flag");
    expect(stderr).toMatch(/--help/);
    expect(stderr).not.toMatch(/positional|Error|\bat .*:\d+/);
  });
});
