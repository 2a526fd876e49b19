import { spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";

/** A process that can't be confused with another one that gets its id later. */
export interface ProcessId {
  readonly pid: number;
  /** When the process started, in the kernel's ticks since boot. */
  readonly startTime: string;
}

/** A program that outlives the process that starts it. */
export interface ServerSpec {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment of the program. */
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

const POLL_MS = 50;

/**
 * Starts a program on its own: without a terminal, without a parent to end with, and with its output in a file. Throws
 * if it can't be started.
 */
export function startServer(spec: ServerSpec): ProcessId {
  const log = openSync(spec.logFile, "a", 0o600);
  try {
    const child = spawn(spec.file, [...spec.args], { detached: true, stdio: ["ignore", log, log], env: spec.env });
    // The missing id reports the failure below. An error event without a listener would end this process.
    child.on("error", () => {});
    child.unref();
    // This works even for a program that has ended by now, because the kernel keeps its entry until this process hears
    // of its end.
    const startTime = child.pid === undefined ? undefined : statOf(child.pid)?.startTime;
    if (child.pid === undefined || startTime === undefined)
      throw new Error(`${spec.name} could not be started. Check that ${spec.file} exists and can be run`);
    return { pid: child.pid, startTime };
  } finally {
    closeSync(log);
  }
}

/** The id of this process itself. */
export function ownProcessId(): ProcessId {
  return { pid: process.pid, startTime: startTimeOf(process.pid) ?? "" };
}

/**
 * Whether that very process runs. False for another process of the same id, and for one that has ended but is not yet
 * reaped.
 */
export function isRunning({ pid, startTime }: ProcessId): boolean {
  return startTimeOf(pid) === startTime;
}

/** Kills those very processes and resolves when they are gone. Throws if one is still there after ten seconds. */
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

/** All processes that see a mount namespace (`mnt:[4026532000]`), except this one. */
export function processesInMountNamespace(namespace: string): ProcessId[] {
  const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
  return asProcesses(pids.map(Number).filter((pid) => pid !== process.pid && mountNamespaceOf(pid) === namespace));
}

/** The mount namespace that a process sees; undefined if the process is gone. */
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
 * Resolves when `isReady` resolves to true; its errors mean "not yet". Throws, with the end of the log and the last
 * error, if the process ends first, or takes longer than `timeoutMs`.
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

/** Asks again and again until the answer is yes. False if it is not yes in time. */
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
    // The process is gone meanwhile.
  }
}
