import { readFile, rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { processId } from "./cluster-record.ts";
import { isRunning, ownProcessId } from "./server-process.ts";

const LOOK_MS = 1_000;

/**
 * Runs `act` while this process holds the lock file `file`. If another process holds it, this one calls `onWait` once
 * and waits. The lock of a process that died passes to the next one. If two processes find such a lock in the same
 * moment, both may go on, so `act` has to bear that.
 */
export async function oneAtATime<T>(
  file: string,
  act: () => Promise<T>,
  { onWait, signal }: { readonly onWait: () => void; readonly signal: AbortSignal },
): Promise<T> {
  let hasWaited = false;
  while (!(await take(file))) {
    if (!hasWaited) onWait();
    hasWaited = true;
    await sleep(LOOK_MS, undefined, { signal });
  }
  try {
    return await act();
  } finally {
    await rm(file, { force: true });
  }
}

async function take(file: string): Promise<boolean> {
  const own = JSON.stringify(ownProcessId());
  const write = () => writeFile(file, own, { flag: "wx", mode: 0o600 }).then(() => true, ifThere);
  if (await write()) return true;
  const text = await readFile(file, "utf8").catch(() => "");
  // The file is empty while another process writes it.
  if (text === "" || isHeld(text)) return false;
  await rm(file, { force: true });
  return write();
}

function isHeld(text: string): boolean {
  try {
    return isRunning(processId.parse(JSON.parse(text)));
  } catch {
    return false;
  }
}

function ifThere(error: unknown): false {
  if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
  throw error;
}
