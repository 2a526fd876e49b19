import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NEEDS_ADMISSION, NEEDS_KUBELET, NEEDS_OWN_CLUSTER } from "../support/forbid-skips.ts";
import { ROOT } from "../support/run-program.ts";

// What CI does about a test that is skipped, by the very configuration of `npm test`, on a project of two tests.

const MARKED = `is left out ${NEEDS_OWN_CLUSTER}`;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "dispatcher-skips-"));
  await mkdir(join(directory, "test"));
  await symlink(join(ROOT, "node_modules"), join(directory, "node_modules"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function runWith(skipped: string, env: Readonly<Record<string, string>>): Promise<[code: unknown, said: string]> {
  await writeFile(
    join(directory, "test", "some.test.ts"),
    `import { test } from "vitest";\ntest("passes", () => {});\ntest.skip(${JSON.stringify(skipped)}, () => {});\n`,
  );
  const args = ["run", "--root", directory, "--config", join(ROOT, "vitest.config.ts")];
  const child = spawn(process.execPath, [join(ROOT, "node_modules", "vitest", "vitest.mjs"), ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await once(child, "close");
  return [child.exitCode, said];
}

test.each([
  {
    name: "in CI a skipped test fails the run, and is named",
    skipped: "waits",
    env: { CI: "true" },
    code: 1,
    says: /^ {2}waits$/m,
  },
  { name: "elsewhere a test may be skipped", skipped: "waits", env: {}, code: 0, says: /^$/ },
  {
    name: "only somebody's own cluster excuses one that says so",
    skipped: MARKED,
    env: { CI: "true" },
    code: 1,
    says: /^ {2}is left out/m,
  },
  {
    name: "on somebody's own cluster one that stops a node is left out",
    skipped: MARKED,
    env: { CI: "true", TEST_KUBECONFIG: "mine" },
    code: 0,
    says: /^$/,
  },
  ...[NEEDS_KUBELET, NEEDS_ADMISSION].map((mark) => ({
    name: `without a real cluster one is left out that says so: ${mark}`,
    skipped: `tells ${mark}`,
    env: { CI: "true" },
    code: 0,
    says: /^$/,
  })),
])(
  "$name",
  async ({ skipped, env, code, says }) => {
    const [ended, said] = await runWith(skipped, env);
    expect(ended).toBe(code);
    expect(said).toMatch(says);
  },
  60_000,
);
