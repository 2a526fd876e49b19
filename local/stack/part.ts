import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";

/** How long a part may take until it says that it is ready. */
const READY_TIMEOUT_MS = 30_000;
const LINES_KEPT = 20;

export interface PartOptions {
  /** The name that people read: `broker`, `storage`, `cluster`, `app`. */
  readonly name: string;
  /** A program of the build that prints one line of JSON on stdout when it is ready. */
  readonly program: string;
  readonly args?: readonly string[];
  /** The whole environment of the part. It inherits nothing. */
  readonly env: Readonly<Record<string, string>>;
  /** How long it may take to end when asked to. Then it is killed. */
  readonly stopTimeoutMs: number;
  /** Called with the id of its process, before it has done anything. */
  readonly onSpawn?: (pid: number) => void;
  /** Called with each line that it writes, except the one that says that it is ready. */
  readonly onLine?: (line: string) => void;
}

/** A process of the stack. */
export interface Part {
  readonly name: string;
  readonly pid: number;
  /** The JSON that it printed when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  /**
   * Resolves with how it ended and its last lines, if it ends without having been asked to. Otherwise it stays pending.
   */
  readonly died: Promise<string>;
  /** Asks it to end, by its process id, and resolves when it is gone. Repeating it is harmless. */
  stop(): Promise<void>;
}

/**
 * Starts a part and resolves when it is ready. The part ends with this process even if this process is killed, because
 * the IPC channel breaks, and then each program ends by itself. If the part does not get ready, it is stopped, and the
 * error names it and has its last lines.
 */
export async function startPart(options: PartOptions): Promise<Part> {
  const child = spawn(process.execPath, [options.program, ...(options.args ?? [])], {
    env: { ...options.env },
    // The part gets a process group of its own, so that Ctrl-C reaches this process alone, which then stops the parts
    // in their order.
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  if (child.pid !== undefined) options.onSpawn?.(child.pid);
  const said: string[] = [];
  // Reads the stream to its end, because a full pipe would stop the part.
  onLines(child.stderr, (line) => {
    said.push(line);
    if (said.length > LINES_KEPT) said.shift();
    options.onLine?.(line);
  });

  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= end(child, options.stopTimeoutMs));
  const ended = endOf(child);
  const lastWords = (how: string) => {
    return `the ${options.name} ${how}${said.length > 0 ? `. Its last lines:\n  ${said.join("\n  ")}` : ""}`;
  };

  const ready = await Promise.race([readyLine(child, options.onLine), late(), ended]);
  if (typeof ready === "string") {
    await stop();
    throw new Error(lastWords(ready));
  }
  const died = new Promise<string>((resolve) => {
    void ended.then((how) => {
      if (!stopping) resolve(lastWords(how));
    });
  });
  return { name: options.name, pid: child.pid ?? 0, ready, died, stop };
}

/** Splits the stream at line feeds alone. readline would end a line at U+2028 too, which a message's id may hold. */
function onLines(stream: Readable | null, take: (line: string) => void): void {
  let rest = "";
  stream?.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line.replace(/\r$/, ""));
  });
  stream?.on("end", () => {
    if (rest !== "") take(rest);
  });
}

function readyLine(child: ChildProcess, onOther: PartOptions["onLine"]): Promise<Record<string, unknown>> {
  return new Promise((resolve) => {
    onLines(child.stdout, (line) => {
      const said = parsed(line);
      if (said?.["ready"] === true) resolve(said);
      else onOther?.(line);
    });
  });
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function late(): Promise<string> {
  return new Promise((resolve) => {
    const words = `was not ready within ${READY_TIMEOUT_MS / 1000} s`;
    setTimeout(() => resolve(words), READY_TIMEOUT_MS).unref();
  });
}

/** Resolves to how the part ended, once all that it wrote has been read. */
async function endOf(child: ChildProcess): Promise<string> {
  const failed = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
  });
  const closed = new Promise<string>((resolve) => {
    child.once("close", (code, signal) => resolve(`ended with ${signal ?? `exit code ${code}`}`));
  });
  return Promise.race([failed, closed]);
}

async function end(child: ChildProcess, timeoutMs: number): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  // On Windows a signal would kill it at once. When the channel breaks, it ends by itself.
  if (process.platform === "win32") child.disconnect();
  else child.kill("SIGTERM");
  await gone;
  clearTimeout(timer);
}
