import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

/** A directory of its own with these files, gone when the test is over. */
export function aDirectory(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), "modules-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return directory;
}

/** What is thrown, with the directory's own path taken out. */
export function messageOf(directory: string, act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return String(error).replaceAll(`${directory}/`, "");
  }
  throw new Error("nothing was thrown");
}
