import { makeCommand } from "../shared/command-line.ts";
import { makeDependencies } from "../shared/compose.ts";
import { readConfigOver } from "../shared/config.ts";
import { ConfigError } from "../shared/errors.ts";
import type { Finding } from "../shared/finding.ts";
import { makeLog } from "../shared/log.ts";
import { makePreflight } from "../shared/preflight.ts";

// `npm run preflight`, and `node dist/tools/preflight.js` in the container: checks settings, module files, bus, storage
// and cluster before any message depends on them, and changes nothing. The settings are the app's own: the environment,
// over the Values of local.settings.json.

const COMMAND = makeCommand("npm run preflight --")
  .description("Prints a line for everything that is wrong with settings, module files, bus, storage and cluster.")
  .addHelpText(
    "after",
    `
In the container, run it with: node dist/tools/preflight.js

Makes the table and the containers if they are missing, and changes nothing else.
Ends with 0 if nothing that it found is an error, 1 if something is, 2 for wrong flags.`,
  );

const sayOnStderr = (line: string) => void process.stderr.write(`${line}\n`);
const toStderr = makeLog({ info: sayOnStderr, warn: sayOnStderr, error: sayOnStderr });

async function preflight(): Promise<Finding[]> {
  const deps = makeDependencies(await readConfigOver("local.settings.json"), toStderr);
  const { modules, namespace } = deps;
  const findings = await makePreflight(deps)();
  await deps.broker.close();
  if (findings.length === 0) print(`nothing is wrong with ${modules.size} modules and namespace ${namespace}`);
  return findings;
}

/**
 * Makes a finding of each line of an error, because a settings or module file that is wrong says a line for each
 * mistake.
 */
function mistakesIn(error: unknown): Finding[] {
  if (!(error instanceof ConfigError)) throw error;
  return error.message.split("\n").map((text) => ({ level: "error", text }));
}

function lineOf({ level, module, file, field, text }: Finding): string {
  const place = [module === undefined ? undefined : `module ${module} (${file ?? ""})`, field].filter(Boolean);
  return `${level}: ${[...place, text].join(": ")}`.replaceAll(/\s+/g, " ");
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

COMMAND.parse();
const findings = await preflight().catch(mistakesIn);
for (const finding of findings) print(lineOf(finding));
// The process ends once this is written, because connections that are kept alive would keep it for seconds.
const code = findings.some(({ level }) => level === "error") ? 1 : 0;
process.stdout.write("", () => process.exit(code));
