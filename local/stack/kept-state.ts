import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { isAlive } from "./is-alive.ts";
import { releaseLock, takeLock } from "./state-lock.ts";

/** How long an earlier stack, and its processes, may take to end. */
const END_TIMEOUT_MS = 15_000;
const POLL_MS = 100;

/**
 * Opens the directory in which a stack keeps its state, and makes it if it is missing. From then on it is this process's
 * alone, until `releaseLock`. Resolves once another stack that is ending, and the processes of one that was killed, have
 * ended, because two of them would write the same files. Rejects with an Error that names those that don't end.
 */
export async function openState(directory: string, patienceMs = END_TIMEOUT_MS): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const until = Date.now() + patienceMs;
  for (;;) {
    const holder = takeLock(directory);
    const left = holder === undefined ? (await readPids(directory)).filter(isAlive) : [];
    if (holder === undefined && left.length === 0) return;
    if (Date.now() > until) {
      releaseLock(directory);
      throw new Error(
        holder === undefined
          ? `Processes of an earlier start still run. End them: kill ${left.join(" ")}. If these are other programs by now, remove ${pidFile(directory)}`
          : `npm start runs here already. Stop it first: kill ${holder}`,
      );
    }
    await setTimeout(POLL_MS);
  }
}

/** Opens the directory, and forgets all that an earlier stack kept there. */
export async function forgetState(directory: string): Promise<void> {
  await openState(directory);
  for (const name of await readdir(directory)) {
    // The lock, and those that other processes are about to link in its place.
    if (!name.startsWith("lock")) await rm(join(directory, name), { recursive: true, force: true });
  }
}

/** Writes down which processes use the directory. */
export function notePids(directory: string, pids: readonly number[]): void {
  // Parts start at the same time, so this must be done in one step.
  writeFileSync(pidFile(directory), JSON.stringify(pids));
}

/** The name of the instance that the rows and Jobs there belong to. A new directory gets a name of its own. */
export async function instanceIn(directory: string): Promise<string> {
  const file = join(directory, "instance");
  const known = await readFile(file, "utf8").catch(() => "");
  if (known !== "") return known;
  const name = newInstance();
  await writeFile(file, name);
  return name;
}

/** The file of the key of the bus, which only this user can read. A new directory gets a key of its own. */
export async function busKeyFileIn(directory: string): Promise<string> {
  const file = join(directory, "bus-key");
  const known = await readFile(file, "utf8").catch(() => "");
  if (known === "") await writeFile(file, randomBytes(32).toString("base64"), { mode: 0o600 });
  return file;
}

/** An instance name that no other stack has. */
export function newInstance(): string {
  return `local-${randomBytes(3).toString("hex")}`;
}

function pidFile(directory: string): string {
  return join(directory, "processes.json");
}

async function readPids(directory: string): Promise<number[]> {
  const text = await readFile(pidFile(directory), "utf8").catch(() => "[]");
  const numbers: unknown = JSON.parse(text || "[]");
  return Array.isArray(numbers) ? numbers.filter((one) => typeof one === "number") : [];
}
