import { mkdir, readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { type DeployScript, makeDeployScript } from "../support/deploy-script.ts";
import { ROOT, type RunOptions, runProgram } from "../support/run-program.ts";

// `npm run check:azure` as a process, with stand-ins for az, helm, kubectl and kubelogin.

const SIGN_IN = {
  AZURE_SUBSCRIPTION_ID: "sub",
  AZURE_TENANT_ID: "tenant",
  AZURE_CLIENT_ID: "client",
  AZURE_CLIENT_SECRET: "the-secret",
};

/** Stands before the stand-in of az. It never comes back from a deployment. */
const NEVER_DEPLOYED = `#!/usr/bin/env bash
"\${0%/*}/recording/az" "$@" || exit
if [[ "$1 $2 $3" == "deployment sub create" ]]; then exec sleep 600; fi
`;

let script: DeployScript;
beforeEach(async () => {
  script = await makeDeployScript();
  return () => script.close();
});

async function ended({ args = [], env = {} }: RunOptions) {
  const program = runProgram("check-azure", { args, env: { ...(await script.prepare()), ...env } });
  return { code: await program.ended, ...program.said, calls: await script.calls() };
}

test("says what it would ask, how long it takes and what it costs, and starts nothing without --yes", async () => {
  const { code, stderr, calls } = await ended({ env: SIGN_IN });
  expect({ code, calls }).toEqual({ code: 2, calls: [] });
  expect(stderr).toMatch(/It takes about \d\.\d hours\. At list prices it costs .* US dollars/);
  expect(stderr).toContain("npm run check:azure -- --yes");
});

test("names the variables that it misses, and starts nothing", async () => {
  const { code, stderr, calls } = await ended({ args: ["--yes"], env: { ...SIGN_IN, AZURE_CLIENT_SECRET: "" } });
  expect({ code, calls }).toEqual({ code: 2, calls: [] });
  expect(stderr).toContain("Set AZURE_CLIENT_SECRET in the environment");
});

test("stops the deployment at Ctrl-C, deletes everything, and prints its report", { timeout: 60_000 }, async () => {
  const before = await readdir(join(ROOT, "infra"));
  const env = await script.prepare({ answers: { "az-group-exists": ["true\n", "false\n"] } });
  await mkdir(join(script.bin, "recording"));
  await rename(join(script.bin, "az"), join(script.bin, "recording", "az"));
  await writeFile(join(script.bin, "az"), NEVER_DEPLOYED, { mode: 0o755 });

  const program = runProgram("check-azure", { args: ["--yes"], env: { ...env, ...SIGN_IN } });
  const called = async (...words: string[]) =>
    (await script.calls()).some((call) => words.every((word, index) => call[index] === word));
  await expect.poll(() => called("az", "deployment", "sub", "create"), { timeout: 30_000 }).toBe(true);
  program.child.kill("SIGINT");

  expect(await program.ended).toBe(1);
  expect(program.said.stderr).toContain("Interrupted by SIGINT. What was created is deleted now.");
  expect(program.said.stdout).toContain("why not: The run was interrupted by SIGINT.");
  expect(program.said.stdout).toContain("Everything was deleted.");
  expect(await called("az", "deployment", "sub", "cancel")).toBe(true);
  expect(await called("az", "group", "delete")).toBe(true);
  expect(await readdir(join(ROOT, "infra"))).toEqual(before);
});
