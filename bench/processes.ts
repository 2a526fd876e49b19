import { EventEmitter, once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ALLOCATOR } from "../local/kit/allocator.ts";
import { neededEnvironment } from "../local/stack/own-environment.ts";
import { type Part, startPart } from "../local/stack/part.ts";
import { PROJECT_ROOT } from "../local/stack/project-root.ts";

export interface ProgramOptions {
  readonly name: string;
  /** The program's path below `dist`. */
  readonly program: string;
  readonly args?: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
  readonly onLine?: (line: string) => void;
  /** Whether `stop` tells the most memory that the process held. */
  readonly measureMemory?: boolean;
}

/** A running program of the build. */
export interface Program {
  readonly pid: number;
  readonly ready: Part["ready"];
  /**
   * Ends the process. Resolves to the most memory that it ever held in MiB; undefined if that was not asked for or not
   * told.
   */
  stop(): Promise<number | undefined>;
}

/** Keeps the processes and the directories of one bench, and ends them with the bench. */
export class Processes {
  readonly #parts = new Set<Part>();
  /** Those that are not ready yet. Another one may fail meanwhile, which ends the bench. */
  readonly #starting = new Set<Promise<Part>>();
  readonly #directories: string[] = [];
  readonly #others: (() => Promise<unknown>)[] = [];
  readonly #nodeOptions: string;
  /** Rejects with the last words of a process that ends by itself. It never resolves. */
  readonly failed: Promise<never>;
  #fail: (reason: Error) => void = () => {};

  /** `nodeOptions`: flags of Node for the processes whose memory is measured. */
  constructor(nodeOptions: string) {
    this.#nodeOptions = nodeOptions;
    this.failed = new Promise<never>((_resolve, reject) => {
      this.#fail = reject;
    });
    // At the end of a bench, no code waits for `failed` any more. Its rejection must not end the process then.
    this.failed.catch(() => {});
  }

  /** Starts a program and resolves when it is ready. */
  async start(options: ProgramOptions): Promise<Program> {
    const said = new EventEmitter();
    const preload = `--import=${pathToFileURL(distFile("bench/report-peak-memory.js")).href}`;
    const measured =
      options.measureMemory === true ? { NODE_OPTIONS: `${preload} ${this.#nodeOptions}`, ...ALLOCATOR } : {};
    const starting = startPart({
      name: options.name,
      program: distFile(options.program),
      args: options.args ?? [],
      env: { ...neededEnvironment(process.env), ...options.settings, ...measured },
      stopTimeoutMs: 40_000,
      onLine: (line) => {
        const peak = /^peak memory in KiB: (\d+)$/.exec(line);
        if (peak) said.emit("peak", Number(peak[1]) / 1024);
        else options.onLine?.(line);
      },
    }).then((part) => {
      this.#parts.add(part);
      return part;
    });
    this.#starting.add(starting);
    const part = await starting.finally(() => this.#starting.delete(starting));
    void part.died.then((words) => this.#fail(new Error(words)));
    return {
      pid: part.pid,
      ready: part.ready,
      stop: async () => {
        const mib = await (options.measureMemory === true ? peakAtEnd(part, said) : part.stop());
        this.#parts.delete(part);
        return mib ?? undefined;
      },
    };
  }

  /** Makes a directory for files of the bench. `stopAll` removes it. */
  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), "dispatcher-bench-"));
    this.#directories.push(directory);
    return directory;
  }

  /** Has something else ended after all processes. It may be ended twice. */
  atEnd(stop: () => Promise<unknown>): void {
    this.#others.push(stop);
  }

  /** Ends the processes that still run, the last one first, and removes the directories. */
  async stopAll(): Promise<void> {
    await Promise.allSettled(this.#starting);
    for (const part of [...this.#parts].toReversed()) await part.stop();
    this.#parts.clear();
    for (const stop of this.#others) await stop();
    for (const directory of this.#directories) await rm(directory, { recursive: true, force: true });
  }
}

async function peakAtEnd(part: Part, said: EventEmitter): Promise<number | undefined> {
  const patience = new AbortController();
  const peak: Promise<(number | undefined)[]> = once(said, "peak", { signal: patience.signal }).catch(() => []);
  await part.stop();
  // The last line of the process may arrive when the process is gone.
  const timer = setTimeout(() => patience.abort(), 2_000);
  const [mib] = await peak;
  clearTimeout(timer);
  return mib;
}

/** Gives the path of a file of the build. */
export function distFile(path: string): string {
  return join(PROJECT_ROOT, "dist", ...path.split("/"));
}

/** Reads the processor ms that a process has used so far, in steps of 10; undefined if /proc doesn't tell. */
export async function cpuMs(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The name of the program is in parentheses, and may hold any character.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields && (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Reads the same for some processes together; NaN if /proc doesn't tell. */
export async function spentMs(...pids: readonly number[]): Promise<number> {
  const each = await Promise.all(pids.map(cpuMs));
  return each.reduce<number>((sum, ms) => sum + (ms ?? Number.NaN), 0);
}

/** Reads the memory in MiB that a process holds; NaN if /proc doesn't tell. */
export async function heldMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN) / 1024;
}
