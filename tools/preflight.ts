import { makeCommand } from "../shared/command-line.ts";
import { makeDependencies } from "../shared/compose.ts";
import { readConfigOver } from "../shared/config.ts";
import { ConfigError } from "../shared/errors.ts";
import { makeLog } from "../shared/log.ts";
import { type Finding, makePreflight } from "../shared/preflight.ts";

// `npm run preflight`, and `node dist/tools/preflight.js` in the container: whether settings, module files, bus, storage and cluster will do, before any
// message depends on them. Changes nothing. The settings are the app's own: the environment, over the Values of local.settings.json.

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

/** A settings or module file that is wrong has said so itself, a line for each mistake. */
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
// Said, and not waited for: connections that are kept alive would keep the program for seconds.
const code = findings.some(({ level }) => level === "error") ? 1 : 0;
process.stdout.write("", () => process.exit(code));
