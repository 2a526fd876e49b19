import { parseArgs } from "node:util";
import { makeKubernetesJobs } from "../shared/adapters/kubernetes-jobs.ts";
import { systemClock } from "../shared/clock.ts";
import { readConfig } from "../shared/config.ts";
import { ConfigError } from "../shared/errors.ts";
import { loadModules } from "../shared/modules/load-modules.ts";
import { type Finding, makePreflight } from "../shared/preflight.ts";
import { readLocalSettings } from "../shared/settings/local-settings.ts";

// `npm run preflight`, and `node dist/tools/preflight.js` in the container: whether settings, module files and cluster will do, before any
// message depends on them. Changes nothing. The settings are the app's own: the environment, over the Values of local.settings.json.

const USAGE = `usage: npm run preflight
Prints a line for everything that is wrong. Ends with 0 where none of it is an error, 1 where something is, 2 for wrong flags.`;

function areArgsRight(): boolean {
  try {
    parseArgs({ options: {} });
    return true;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
    return false;
  }
}

async function preflight(): Promise<Finding[]> {
  const values = await readLocalSettings("local.settings.json");
  const set = Object.entries(process.env).filter(([, value]) => value?.trim());
  const settings = readConfig({ ...values, ...Object.fromEntries(set) });
  const modules = loadModules(settings.modulesDir);
  const look = makePreflight({
    cluster: makeKubernetesJobs({
      kubeconfig: settings.kubeconfig,
      namespace: settings.jobNamespace,
      instance: settings.instance,
    }),
    clock: systemClock,
    modules: new Map(modules.map((module) => [module.name, module])),
    instance: settings.instance,
    namespace: settings.jobNamespace,
    jobRetentionMs: settings.jobRetentionMs,
  });
  const findings = await look();
  if (findings.length === 0)
    print(`nothing is wrong with ${modules.length} modules and namespace ${settings.jobNamespace}`);
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

if (!areArgsRight()) process.exit(2);
const findings = await preflight().catch(mistakesIn);
for (const finding of findings) print(lineOf(finding));
process.exitCode = findings.some(({ level }) => level === "error") ? 1 : 0;
