import { execFile, execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";
import { programOnPath } from "../../local/kit/program-on-path.ts";

const WORKFLOWS = ".github/workflows";
// Go compiles actionlint the first time.
const PATIENCE_MS = 300_000;

const tracked = execFileSync("git", ["ls-files"], { encoding: "utf8" }).trim().split("\n");
const scripts = tracked.filter((file) => /^#!.*\b(ba)?sh\n/.test(readFileSync(file, "utf8")));

/** Runs a linter. If it is not installed, the test is skipped with the reason; in CI it fails instead. */
async function lint(test: TestContext, program: string, args: string[], cwd = "."): Promise<string> {
  const path = programOnPath(program);
  if (path === undefined) {
    const missing = `${program} is missing. Install it, then run this test again`;
    if (process.env["CI"]) throw new Error(missing);
    return test.skip(missing);
  }
  return await new Promise((done) => {
    execFile(path, args, { cwd }, (error, stdout, stderr) => done(error === null ? stdout : stdout + stderr));
  });
}

describe("the shell scripts", () => {
  it("are found by their first line, which names bash", () => {
    expect(scripts).toEqual(expect.arrayContaining([".ci/run", "infra/deploy.sh"]));
    for (const file of scripts) expect(readFileSync(file, "utf8")).toMatch(/^#!\/usr\/bin\/env bash\n/);
  });

  it("end at the first command that fails", () => {
    for (const file of scripts) expect(readFileSync(file, "utf8")).toMatch(/^set -euo pipefail$/m);
  });

  it("pass shellcheck, and so do the files that they source", { timeout: PATIENCE_MS }, async (test) => {
    expect(await lint(test, "shellcheck", ["--external-sources", "--check-sourced", ...scripts])).toBe("");
    const sourced = scripts.flatMap((file) =>
      [...readFileSync(file, "utf8").matchAll(/^# shellcheck source-path=SCRIPTDIR source=(.+)$/gm)].map(
        ([, path = ""]) => join(file, "..", path),
      ),
    );
    const others = tracked.filter((file) => file.endsWith(".sh") && !scripts.includes(file));
    expect(others.toSorted()).toEqual(sourced.toSorted());
  });
});

describe("the workflows", () => {
  it("pass actionlint", { timeout: PATIENCE_MS }, async (test) => {
    const files = readdirSync(WORKFLOWS).map((file) => resolve(WORKFLOWS, file));
    expect(await lint(test, "go", ["tool", "actionlint", ...files], ".ci/actionlint")).toBe("");
  });
});
