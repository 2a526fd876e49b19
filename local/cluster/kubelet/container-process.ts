import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import type { ContainerLog } from "./container-log.ts";

export interface Exit {
  readonly exitCode: number;
  /** Set where the process could not be started at all. */
  readonly startError?: string;
}

export interface ContainerProcess {
  readonly exited: Promise<Exit>;
  /**
   * SIGKILL ends the process and everything it started; any other signal goes to the process alone, as a container's first one alone gets
   * it. Harmless once it is gone.
   */
  kill(signal: NodeJS.Signals): void;
}

/** Output that arrives this long after the process ended is not waited for. */
const OUTPUT_GRACE_MS = 1_000;

/**
 * Runs a command as the leader of a process group of its own. When the leader ends, what is left of its group is killed, as the end of
 * a container's first process ends them all.
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
    return { exited: Promise.resolve(startFailure(command, error)), kill() {} };
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
    // Nothing is left of the group.
  }
}

function startFailure([file = ""]: readonly string[], error: unknown): Exit {
  const startError = `failed to create containerd task: failed to start: exec: ${JSON.stringify(file)}: ${whyNotStarted(file, error)}`;
  return { exitCode: 128, startError };
}

/** In the words of a container runtime. */
function whyNotStarted(file: string, error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EACCES") return "permission denied";
  if (code === "ENOENT" && file.includes("/")) return `stat ${file}: no such file or directory`;
  if (code === "ENOENT") return "executable file not found in $PATH";
  return error instanceof Error ? error.message : String(error);
}
