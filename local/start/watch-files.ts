import { stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { glob } from "tinyglobby";

const EVERY_MS = 500;

/**
 * Looks at the module files of a directory twice a second, and yields the names of those that have changed, come or gone
 * once all have been the same for one look, because an editor writes a file in several steps. It asks instead of
 * listening, since a directory may be a mount that tells of no changes. It ends when `signal` aborts.
 */
export async function* changesOf(directory: string, signal: AbortSignal): AsyncGenerator<readonly string[]> {
  let known = await stateOf(directory);
  let last = known;
  for (;;) {
    await setTimeout(EVERY_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const now = await stateOf(directory);
    const isSettled = changed(last, now).length === 0;
    last = now;
    const names = changed(known, now);
    if (!isSettled || names.length === 0) continue;
    known = now;
    yield names;
  }
}

type State = ReadonlyMap<string, string>;

/** The files that are other ones, or in only one of the states. */
function changed(before: State, after: State): string[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => before.get(name) !== after.get(name)).toSorted();
}

/** The sizes and times of the files, by their names. Empty if the directory can't be read just now. */
async function stateOf(directory: string): Promise<State> {
  const files = await glob("**/*.{yaml,yml,json}", { cwd: directory }).catch(() => []);
  const states = files.map(async (file) => {
    const { size, mtimeMs } = await stat(join(directory, file)).catch(() => ({ size: -1, mtimeMs: -1 }));
    return [file, `${size} ${mtimeMs}`] as const;
  });
  return new Map(await Promise.all(states));
}
