import { ConfigError } from "../../shared/errors.ts";
import { loadModules } from "../../shared/module-files/load-modules.ts";
import { plainText } from "../text/plain-text.ts";
import { print } from "../text/print.ts";

/** Checks the module files of a directory. Prints a line for each mistake, and resolves to 1 if there is one. */
export async function validateModules(directory: string): Promise<number> {
  try {
    const { length } = loadModules(directory);
    print(`nothing is wrong with ${length} ${length === 1 ? "module" : "modules"} in ${plainText(directory)}`);
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const line of error.message.split("\n")) print(plainText(line));
    return 1;
  }
}
