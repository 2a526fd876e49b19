import { ConfigError } from "../../shared/errors.ts";
import type { Finding } from "../../shared/finding.ts";
import { makePreflight } from "../../shared/preflight.ts";
import type { TargetFlags } from "../target/flags.ts";
import { openTarget } from "../target/open-target.ts";
import { plainText } from "../text/plain-text.ts";
import { note, print } from "../text/print.ts";

const RIGHTS_OF_LOGIN =
  "This tries the rights of your login, and says of them what the Dispatcher may. What the app's own identity may is in its log: each start logs what preflight found.";

/**
 * Checks settings, module files, bus, storage and cluster before any message depends on them. Resolves to 1 if it found
 * an error.
 */
export async function preflight(flags: TargetFlags): Promise<number> {
  const findings = await find(flags).catch(mistakesIn);
  for (const finding of findings) print(lineOf(finding));
  return findings.some(({ level }) => level === "error") ? 1 : 0;
}

async function find(flags: TargetFlags): Promise<Finding[]> {
  const { deps, isRelease, strays, close } = await openTarget(flags, { allFiles: true });
  if (isRelease) note(RIGHTS_OF_LOGIN);
  const unread = strays.map((text): Finding => ({ level: "warning", text }));
  const findings = [...(await makePreflight(deps)()), ...unread];
  await close();
  const { modules, namespace } = deps;
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
  return plainText(`${level}: ${[...place, text].join(": ")}`.replaceAll(/\s+/g, " "));
}
