import { loadModules } from "../../shared/module-files/load-modules.ts";
import { Refusal } from "../refusal.ts";
import { findTarget } from "../target/find-target.ts";
import type { TargetFlags } from "../target/flags.ts";
import { plainJson } from "../text/plain-text.ts";
import { print } from "../text/print.ts";

/** Prints one module of a Dispatcher as JSON. */
export async function showModule(name: string, flags: TargetFlags): Promise<number> {
  const { settings, cleanUp } = await findTarget(flags);
  try {
    const modules = loadModules(settings.modulesDir);
    const found = modules.find((module) => module.name === name);
    if (!found)
      throw new Refusal(`There is no module ${name}. Show one of: ${modules.map((module) => module.name).join(", ")}`);
    print(plainJson(found, 2));
    return 0;
  } finally {
    await cleanUp?.();
  }
}
