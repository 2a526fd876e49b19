import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The directory of this project, which is the nearest one above this code that has a package.json. */
export const PROJECT_ROOT = above(import.meta.dirname);

function above(directory: string): string {
  if (existsSync(join(directory, "package.json"))) return directory;
  const parent = dirname(directory);
  if (parent === directory) throw new Error(`no package.json above ${import.meta.dirname}`);
  return above(parent);
}
