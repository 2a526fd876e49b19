// Runs the tests on each Node of .ci/nodes/package.json, from the oldest that is supported to that of the images. npm
// installs these from .ci/nodes/package-lock.json, apart from the project, because they are large. Ends with 1 if a test
// failed on one of them.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";

const root = join(import.meta.dirname, "..");
const folder = join(import.meta.dirname, "nodes");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const { devDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
const names = Object.keys(devDependencies).map((name) => name.replace("node-", ""));

const USAGE = `usage: npm run test:nodes -- [--only N,...] [TESTS...]

Runs the tests on each Node that is supported. On Linux on x64 only.

  --only N,...  only these of ${names.join(", ")}
  TESTS         folders or files of tests; all those of npm test if none is given
  -h, --help    print this, and end
  --version     print the version, and end
`;

const { values, positionals } = readFlags();
if (values.help || values.version) {
  process.stdout.write(values.help ? USAGE : `${version}\n`);
  process.exit(0);
}
if (process.platform !== "linux" || process.arch !== "x64") {
  fail(1, "these Nodes run on Linux on x64 only. Switch Node with your version manager, and run: npm test");
}
const wanted = values.only?.split(",") ?? names;
const unknown = wanted.filter((name) => !names.includes(name));
if (unknown.length > 0) fail(2, `--only names ${unknown.join(", ")}; choose from ${names.join(", ")}`);

if (!run("npm", ["ci", "--no-audit", "--no-fund", "--prefix", folder], process.env)) {
  fail(1, "npm could not install the Nodes, and says why above");
}

const failed = wanted.filter((name) => {
  process.stdout.write(`\ntests on Node ${versionOf(name)}\n`);
  const bin = join(folder, "node_modules", `node-${name}`, "bin");
  // Programs that a test starts by name are to find this Node, too.
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  return !run(join(bin, "node"), [join(root, "node_modules", "vitest", "vitest.mjs"), "run", ...positionals], env);
});
if (failed.length > 0) fail(1, `tests failed on Node ${failed.map(versionOf).join(", ")}`);

function versionOf(name) {
  return devDependencies[`node-${name}`].replace(/^.*@/, "");
}

function run(program, args, env) {
  const { error, status } = spawnSync(program, args, { cwd: root, env, stdio: "inherit" });
  if (error) throw error;
  return status === 0;
}

function readFlags() {
  const [help, isVersion] = [{ type: "boolean", short: "h" }, { type: "boolean" }];
  try {
    return parseArgs({ allowPositionals: true, options: { only: { type: "string" }, help, version: isVersion } });
  } catch {
    process.stderr.write(`test-nodes does not know these flags: ${process.argv.slice(2).join(" ")}\n${USAGE}`);
    return process.exit(2);
  }
}

function fail(code, why) {
  process.stderr.write(`test-nodes: ${why}\n`);
  process.exit(code);
}
