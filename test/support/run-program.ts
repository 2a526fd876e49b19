import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { PROJECT_ROOT } from "../../shared/project-root.ts";

/** The project's directory. */
export const ROOT = PROJECT_ROOT;

/** A program of the build that runs. */
export interface Running {
  readonly child: ChildProcess;
  readonly said: { stdout: string; stderr: string };
  /** Resolves to its exit code, or to the signal that ended it, once all its output has arrived. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

export interface RunOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Gives it a channel to this process, as its parent in the stack does. */
  readonly ipc?: boolean;
  readonly cwd?: string;
  /** The user whose process it becomes, if it is not this one. */
  readonly uid?: number;
  readonly stdin?: string;
}

/** Starts a program of the build, `dist/<program>/main.js`, which `npm run build` makes. */
export function runProgram(program: string, options: RunOptions = {}): Running {
  const child = spawn(process.execPath, [join(ROOT, "dist", program, "main.js"), ...(options.args ?? [])], {
    cwd: options.cwd ?? ROOT,
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    env: { PATH: process.env["PATH"] ?? "", ...options.env },
    stdio: ["pipe", "pipe", "pipe", ...(options.ipc === true ? (["ipc"] as const) : [])],
  });
  const said = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (said.stderr += chunk.toString()));
  // A program that ends at once may have closed it by now.
  child.stdin?.on("error", () => {});
  child.stdin?.end(options.stdin ?? "");
  // The streams are awaited instead of "close", which never comes once the channel was closed from this side.
  const emitters = [child.stdout, child.stderr].flatMap((stream) => stream ?? []);
  const over = [once(child, "exit"), ...emitters.map((stream) => once(stream, "end"))];
  const ended = Promise.all(over).then(() => child.exitCode ?? child.signalCode);
  return { child, said, ended };
}
