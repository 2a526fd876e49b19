import { spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";

/** A process that can't be mistaken for another one that was given its id later. */
export interface ProcessId {
  readonly pid: number;
  /** When it started, in the kernel's ticks since boot. */
  readonly startTime: string;
}

/** A program that is to outlive the one that starts it. */
export interface ServerSpec {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

const POLL_MS = 50;

/** Starts a program on its own: no terminal, no parent to end with, its words in a file. Throws where it can't be started. */
export function startServer(spec: ServerSpec): ProcessId {
  const log = openSync(spec.logFile, "a", 0o600);
  try {
    const child = spawn(spec.file, [...spec.args], { detached: true, stdio: ["ignore", log, log], env: spec.env });
    // Told by the missing id; an unheard error event would end this process.
    child.on("error", () => {});
    child.unref();
    // Even of one that has ended by now: it is remembered until this process hears of it.
    const startTime = child.pid === undefined ? undefined : statOf(child.pid)?.startTime;
    if (child.pid === undefined || startTime === undefined)
      throw new Error(`${spec.name} could not be started: ${spec.file}`);
    return { pid: child.pid, startTime };
  } finally {
    closeSync(log);
  }
}

/** This process's own. */
export function ownProcessId(): ProcessId {
  return { pid: process.pid, startTime: startTimeOf(process.pid) ?? "" };
}

/** Whether that very process runs: not another of the same id, and not one that has ended and only waits to be asked about. */
export function isRunning({ pid, startTime }: ProcessId): boolean {
  return startTimeOf(pid) === startTime;
}

/** Kills those very processes and resolves when they are gone. Throws where one is still there after ten seconds. */
export async function killProcesses(processes: readonly ProcessId[]): Promise<void> {
  const running = processes.filter(isRunning);
  for (const { pid } of running) kill(pid);
  const gone = await eventually(10_000, () => !running.some(isRunning));
  if (!gone)
    throw new Error(
      `processes ${running
        .filter(isRunning)
        .map(({ pid }) => String(pid))
        .join(", ")} can't be killed`,
    );
}

/** All processes that see a mount namespace (`mnt:[4026532000]`), but this one. */
export function processesInMountNamespace(namespace: string): ProcessId[] {
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return asProcesses(pids.map(Number).filter((pid) => pid !== process.pid && mountNamespaceOf(pid) === namespace));
}

/** The mount namespace that a process sees; undefined where it is gone. */
export function mountNamespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

/** Those of the ids that belong to a running process. */
export function asProcesses(pids: readonly number[]): ProcessId[] {
  return pids.flatMap((pid) => {
    const startTime = startTimeOf(pid);
    return startTime === undefined ? [] : [{ pid, startTime }];
  });
}

/**
 * Resolves when `isReady` says so; its errors mean "not yet". Throws, with the end of the log and the last error, when the process ends first,
 * or when it takes longer than `timeoutMs`.
 */
export async function waitUntilReady(
  server: ProcessId & Pick<ServerSpec, "name" | "logFile">,
  timeoutMs: number,
  isReady: () => Promise<boolean>,
): Promise<void> {
  let why: unknown;
  let hasEnded = false;
  const ready = await eventually(timeoutMs, async () => {
    hasEnded = !isRunning(server);
    if (hasEnded) return true;
    return isReady().catch((error: unknown) => {
      why = error;
      return false;
    });
  });
  if (ready && !hasEnded) return;
  const what = hasEnded ? "ended while it was starting" : `was not ready within ${timeoutMs / 1000} s`;
  throw new Error(`${server.name} ${what}. The end of its log:\n${await endOf(server.logFile)}`, { cause: why });
}

/** Asks again and again until it is so; false where it is not so in time. */
export async function eventually(timeoutMs: number, isSo: () => boolean | Promise<boolean>): Promise<boolean> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    if (await isSo()) return true;
    if (performance.now() > until) return false;
    await wait(POLL_MS);
  }
}

async function endOf(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.trimEnd().split("\n").slice(-15).join("\n");
}

function startTimeOf(pid: number): string | undefined {
  const stat = statOf(pid);
  return stat?.state === "Z" || stat?.state === "X" ? undefined : stat?.startTime;
}

function statOf(pid: number): { readonly state: string; readonly startTime: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in brackets, and may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", startTime: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone meanwhile.
  }
}
