import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startOf } from "../cluster/kubelet/process-start.ts";
import { isAlive } from "./is-alive.ts";

/**
 * Takes the lock of a directory for this process, until it lets go or ends. Returns undefined if this process has it
 * now, and else the id of the process that has it.
 */
export function takeLock(directory: string): number | undefined {
  const [file, own] = [lockFile(directory), nameOf(process.pid)];
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, own, { mode: 0o600 });
  try {
    for (;;) {
      // The lock is there with its holder's name in it, or not at all.
      if (isLinked(draft, file)) return undefined;
      const holder = read(file);
      if (holder === own) return undefined;
      const pid = Number.parseInt(holder, 10);
      if (isRunning(pid, holder)) return pid;
      removeStale(file, holder);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes the lock of a process that is gone. If another one has taken it meanwhile, that one gets it back. */
function removeStale(file: string, holder: string): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  if (read(aside) !== holder) isLinked(aside, file);
  rmSync(aside, { force: true });
}

/** Lets go of the lock, if this process has it. */
export function releaseLock(directory: string): void {
  if (read(lockFile(directory)) === nameOf(process.pid)) rmSync(lockFile(directory), { force: true });
}

function lockFile(directory: string): string {
  return join(directory, "lock");
}

/** The id of a process and when it started, because the system uses ids again. */
function nameOf(pid: number): string {
  return `${pid} ${startOf(pid)}`;
}

function isRunning(pid: number, name: string): boolean {
  return pid > 0 && nameOf(pid) === name && isAlive(pid);
}

function isLinked(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Reads who has the lock: nobody if it is not there. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return "";
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
