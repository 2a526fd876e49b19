import { existsSync, readFileSync } from "node:fs";
import { parseEnv } from "node:util";

/** Reads the settings of a file such as `private.env`, which no commit has, and lays the environment over them. */
export function privateEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  file: string,
): Readonly<Record<string, string | undefined>> {
  return { ...(existsSync(file) ? parseEnv(readFileSync(file, "utf8")) : {}), ...env };
}
