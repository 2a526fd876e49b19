import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { nameInText } from "../shared/module-files/name-in-text.ts";
import { PROJECT_ROOT } from "../shared/project-root.ts";

/**
 * Names the modules of this machine, for the completion of a shell: those of `MODULES_DIR`, else those of the stack that
 * runs, else those of `modules/`. It reads no more of a file than its name, and asks nobody, because a shell waits for
 * it at each key. What can't be read has no names.
 */
export function moduleNames(
  env: Readonly<Record<string, string | undefined>> = process.env,
  stackFile = join(PROJECT_ROOT, ".dispatcher", "stack.json"),
): string[] {
  const directory = env["MODULES_DIR"]?.trim() || directoryOfStack(stackFile) || "modules";
  return filesOf(directory)
    .flatMap((file) => nameInText(textOf(join(directory, file)) ?? "") ?? [])
    .toSorted();
}

function directoryOfStack(file: string): string | undefined {
  return /"MODULES_DIR"\s*:\s*("(?:[^"\\]|\\.)*")/
    .exec(textOf(file) ?? "")
    ?.slice(1)
    .map((json) => String(JSON.parse(json)))[0];
}

function filesOf(directory: string): string[] {
  try {
    return readdirSync(directory).filter(
      (name) => /^[^.].*\.(ya?ml|json)$/.test(name) && !/\.schema\.(ya?ml|json)$/.test(name),
    );
  } catch {
    return [];
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
