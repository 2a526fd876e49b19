import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";

/** How long a part may take to say that it is ready, and to end when asked to. */
const READY_TIMEOUT_MS = 30_000;
const LINES_KEPT = 20;

export interface PartOptions {
  /** What people call it: `broker`, `storage`, `cluster`, `app`. */
  readonly name: string;
  /** A program of the build that prints one line of JSON on stdout when it is ready. */
  readonly program: string;
  readonly args?: readonly string[];
  /** All of its environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** How long it may take to end when asked to, before it is killed. */
  readonly stopTimeoutMs: number;
  /** Called with each line that it writes, but for the one that says that it is ready. */
  readonly onLine?: (line: string) => void;
}

/** A process of the stack. */
export interface Part {
  readonly name: string;
  readonly pid: number;
  /** What it said when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Resolves with its last words when it ends without having been asked to; never otherwise. */
  readonly died: Promise<string>;
  /** Asks it to end, by its process id, and resolves when it is gone. Repeating it is harmless. */
  stop(): Promise<void>;
}

/**
 * Starts a part and resolves when it is ready. It ends with this process even if this one is killed: the IPC channel breaks, and each
 * program ends by itself then. Rejects, with the part gone, saying its name and its last lines.
 */
export async function startPart(options: PartOptions): Promise<Part> {
  const child = spawn(process.execPath, [options.program, ...(options.args ?? [])], {
    env: { ...options.env },
    // A group of its own: Ctrl-C reaches this process alone, which then stops the parts in their order.
    detached: true,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const said: string[] = [];
  // Read to the end: a full pipe would stop it.
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

/** By line feeds alone: readline would end a line at U+2028 too, which a message's id may hold. */
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
    const words = `did not say that it is ready within ${READY_TIMEOUT_MS / 1000} s`;
    setTimeout(() => resolve(words), READY_TIMEOUT_MS).unref();
  });
}

/** Resolves to how it ended, once all that it wrote has been read. */
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
  // On Windows a signal would end it on the spot; the broken channel asks it to end by itself.
  if (process.platform === "win32") child.disconnect();
  else child.kill("SIGTERM");
  await gone;
  clearTimeout(timer);
}
