import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import type { ContainerLog } from "./container-log.ts";

export interface Exit {
  readonly exitCode: number;
  /** Why the process could not be started, if it couldn't. */
  readonly startError?: string;
}

export interface ContainerProcess {
  /** Undefined if it could not be started. */
  readonly pid: number | undefined;
  readonly exited: Promise<Exit>;
  /**
   * SIGKILL ends the process and everything that it started. Any other signal goes to the process alone, because in a
   * container only the first process gets it. Does nothing once the process is gone.
   */
  kill(signal: NodeJS.Signals): void;
}

/** Output that arrives later than this after the end of the process is ignored. */
const OUTPUT_GRACE_MS = 1_000;

/**
 * Runs a command as the leader of a process group of its own. When the leader ends, the rest of its group is killed,
 * because the end of a container's first process ends all its processes.
 */
export function startProcess(
  command: readonly string[],
  options: { readonly env: Readonly<Record<string, string>>; readonly cwd: string; readonly log: ContainerLog },
): ContainerProcess {
  let child: ChildProcess;
  try {
    const [file = "", ...args] = command;
    child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...options.env },
      detached: process.platform !== "win32",
      windowsHide: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    return { pid: undefined, exited: Promise.resolve(startFailure(command, error)), kill() {} };
  }
  child.stdout?.on("data", (chunk: Buffer) => options.log.write(chunk));
  child.stderr?.on("data", (chunk: Buffer) => options.log.write(chunk));
  let isOver = false;
  const exited = new Promise<Exit>((resolve) => {
    child.on("error", (error) => {
      if (child.pid !== undefined) return;
      isOver = true;
      resolve(startFailure(command, error));
    });
    child.once("exit", (code, signal) => {
      killGroup(child);
      isOver = true;
      const exit = { exitCode: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) };
      const timer = setTimeout(() => resolve(exit), OUTPUT_GRACE_MS);
      child.once("close", () => {
        clearTimeout(timer);
        resolve(exit);
      });
    });
  });
  return {
    pid: child.pid,
    exited,
    kill(signal) {
      if (isOver) return;
      if (signal === "SIGKILL") killGroup(child);
      else child.kill(signal);
    },
  };
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === "win32") child.kill("SIGKILL");
    else process.kill(-child.pid, "SIGKILL");
  } catch {
    // No process of the group is left.
  }
}

function startFailure([file = ""]: readonly string[], error: unknown): Exit {
  const startError = `failed to create containerd task: failed to start: exec: ${JSON.stringify(file)}: ${whyNotStarted(file, error)}`;
  return { exitCode: 128, startError };
}

/** Why a command could not be started, in the words of a container runtime. */
function whyNotStarted(file: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EACCES") return "permission denied";
  if (code === "ENOENT" && file.includes("/")) return `stat ${file}: no such file or directory`;
  if (code === "ENOENT") return "executable file not found in $PATH";
  return error instanceof Error ? error.message : String(error);
}
