import { stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { glob } from "tinyglobby";

const EVERY_MS = 500;

/**
 * Looks at the module files of a directory twice a second, and yields when they have changed and then been the same for
 * one look, because an editor writes a file in several steps. It asks instead of listening, since a directory may be a
 * mount that tells of no changes. It ends when `signal` aborts.
 */
export async function* changesOf(directory: string, signal: AbortSignal): AsyncGenerator<void> {
  let known = await stateOf(directory);
  let last = known;
  for (;;) {
    await setTimeout(EVERY_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const now = await stateOf(directory);
    const isSettled = now === last;
    last = now;
    if (!isSettled || now === known) continue;
    known = now;
    yield;
  }
}

/** The names, sizes and times of the files. Empty if the directory can't be read just now. */
async function stateOf(directory: string): Promise<string> {
  const files = await glob("**/*.{yaml,yml,json}", { cwd: directory }).catch(() => []);
  const states = files
    .toSorted((a, b) => a.localeCompare(b))
    .map(async (file) => {
      const { size, mtimeMs } = await stat(join(directory, file)).catch(() => ({ size: -1, mtimeMs: -1 }));
      return `${file} ${size} ${mtimeMs}`;
    });
  return (await Promise.all(states)).join("\n");
}
