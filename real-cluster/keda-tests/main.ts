// Runs the tests of the chart with KEDA on the releases that AKS ships. Each release is built from its own Go module the
// first time. CI runs the same tests on the newest release alone, with the other tests on a cluster.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import { makeCommand } from "../../shared/command-line.ts";
import { KEDA_MODULES, KEDA_RELEASES, type KedaRelease, readKedaRelease } from "../keda-releases.ts";
import { programsOf } from "../programs.ts";

const COMMAND = makeCommand("npm run test:keda --")
  .description("Runs the tests of the chart with KEDA on several of its releases, one after the other.")
  .addOption(
    new Option("--versions <list>", "which releases, separated by commas")
      .argParser(releases)
      .default([...KEDA_RELEASES], KEDA_RELEASES.join(",")),
  )
  .addHelpText("after", "\nNeeds what npm run test:cluster needs. Ends with 1 if a test failed on any release.");

function releases(text: string): KedaRelease[] {
  return text.split(",").map((name) => {
    const release = readKedaRelease(name.trim());
    if (release !== undefined) return release;
    throw new InvalidArgumentError(`There is no release ${name}. Give some of ${KEDA_RELEASES.join(",")}.`);
  });
}

/** Runs the tests on one release, with their own output. False if one failed. */
async function testOn(release: KedaRelease): Promise<boolean> {
  const vitest = join(PROJECT_ROOT, "node_modules", "vitest", "vitest.mjs");
  const files = ["test/cluster/chart-accepted.test.ts", "test/cluster/keda.test.ts"];
  const args = [vitest, "run", "--config", "vitest.cluster.config.ts", ...files];
  const env = { ...process.env, TEST_KEDA: release };
  const child = spawn(process.execPath, args, { cwd: PROJECT_ROOT, env, stdio: "inherit" });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  return code === 0;
}

COMMAND.parse();
const ends: string[] = [];
for (const release of COMMAND.opts().versions) {
  // Builds first, because a test's hook would not wait as long.
  await programsOf([KEDA_MODULES[release]]);
  const hasPassed = await testOn(release);
  if (!hasPassed) process.exitCode = 1;
  ends.push(`KEDA ${release}: ${hasPassed ? "passed" : "failed"}`);
}
console.log(ends.join("\n"));
