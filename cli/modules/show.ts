import { readModules } from "../../shared/module-files/load-modules.ts";
import type { Module } from "../../shared/modules/module.ts";
import { Refusal } from "../refusal.ts";
import { findTarget } from "../target/find-target.ts";
import type { TargetFlags } from "../target/flags.ts";
import { wrongFileText } from "../target/wrong-file-text.ts";
import { plainJson } from "../text/plain-text.ts";
import { print } from "../text/print.ts";

/** Prints one module of a Dispatcher as JSON. */
export async function showModule(name: string, flags: TargetFlags): Promise<number> {
  const { settings, cleanUp } = await findTarget(flags);
  try {
    print(plainJson(moduleIn(settings.modulesDir, name), 2));
    return 0;
  } finally {
    await cleanUp?.();
  }
}

/** Finds a module among the files of a directory, of which others may be wrong. */
export function moduleIn(directory: string, name: string): Module {
  const { modules, wrongFiles } = readModules(directory);
  const found = modules.find((module) => module.name === name);
  if (found) return found;
  const names = modules.map((module) => module.name).join(", ");
  if (wrongFiles.length === 0) throw new Refusal(`There is no module ${name}. Show one of: ${names}`);
  const own = wrongFiles.filter(({ module }) => module === name);
  const wrong = (own.length > 0 ? own : wrongFiles).map((file) => `\n  ${wrongFileText(file)}`);
  throw new Refusal(`No right module file has the name ${name}. Mend what is wrong:${wrong.join("")}`);
}
