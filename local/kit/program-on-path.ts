import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The path of a program, found as a shell finds it; undefined if it is not installed. */
export function programOnPath(name: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
