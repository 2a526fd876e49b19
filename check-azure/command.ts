import { type ChildProcess, spawn } from "node:child_process";
import { text } from "node:stream/consumers";

/** A program ended with another code than 0, or could not be started. */
export class CommandError extends Error {
  /** The last lines that the program said. */
  readonly lastLines: string;

  constructor(command: string, said: string, how: string) {
    const lastLines = said.trimEnd().split("\n").slice(-LINES_KEPT).join("\n");
    super(`${command} ${how}${lastLines === "" ? "" : `. It said:\n${lastLines}`}`);
    this.lastLines = lastLines;
  }
}

const LINES_KEPT = 20;

export interface CommandOptions {
  /** The whole environment. The program inherits nothing. */
  readonly env: Readonly<Record<string, string>>;
  /** Ends the program, and all that it started, if it is aborted. */
  readonly signal?: AbortSignal | undefined;
  readonly stdin?: string;
  /** Called with each piece of what it says on standard error. */
  readonly onSaid?: (text: string) => void;
}

/** What a program wrote before it ended with 0. */
export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end. Rejects with a CommandError if it fails, and with the signal's reason if that is aborted.
 * Arguments stand in errors, so that a secret goes to standard input.
 */
export async function runCommand(
  program: string,
  args: readonly string[],
  { env, signal, stdin = "", onSaid }: CommandOptions,
): Promise<Ended> {
  signal?.throwIfAborted();
  const command = [program, ...args].join(" ");
  // A process group of its own keeps Ctrl-C from it, so that this process alone decides what ends when.
  const child = spawn(program, args, { env, detached: true, stdio: "pipe" });
  const end = () => endGroup(child);
  signal?.addEventListener("abort", end, { once: true });
  try {
    const code = new Promise<number | string>((resolve, reject) => {
      child.once("error", (error: NodeJS.ErrnoException) =>
        reject(new CommandError(program, "", error.code === "ENOENT" ? "is not installed" : error.message)),
      );
      child.once("close", (code, how) => resolve(code ?? how ?? "nothing"));
    });
    if (onSaid) child.stderr.on("data", (piece: Buffer) => onSaid(piece.toString()));
    // A program that is not interested in its input may be gone before it is written.
    child.stdin.on("error", () => {}).end(stdin);
    const [ended, stdout, stderr] = await Promise.all([code, text(child.stdout), text(child.stderr)]);
    signal?.throwIfAborted();
    if (ended !== 0) throw new CommandError(command, stdout + stderr, `ended with ${ended}`);
    return { stdout, stderr };
  } finally {
    signal?.removeEventListener("abort", end);
  }
}

/** Ends a program with all that it started. */
function endGroup({ pid, exitCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null) return;
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // It has just ended.
  }
}
