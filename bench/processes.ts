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
  /** Below `dist`. */
  readonly program: string;
  readonly args?: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
  readonly onLine?: (line: string) => void;
  /** Whether `stop` is to tell the most memory that it held. */
  readonly measureMemory?: boolean;
}

/** A running program of the build. */
export interface Program {
  readonly pid: number;
  readonly ready: Part["ready"];
  /** Ends it, by its process id. Resolves to the most memory that it ever held, MiB, if that was asked for and it came to say so. */
  stop(): Promise<number | undefined>;
}

/** The processes of one bench, and their files: none outlives it. */
export class Processes {
  readonly #parts = new Set<Part>();
  readonly #directories: string[] = [];
  readonly #others: (() => Promise<unknown>)[] = [];
  readonly #nodeOptions: string;
  /** Rejects when one of them ends by itself, with its last words; never resolves. */
  readonly failed: Promise<never>;
  #fail: (reason: Error) => void = () => {};

  /** `nodeOptions`: flags of Node's for the processes whose memory is measured. */
  constructor(nodeOptions: string) {
    this.#nodeOptions = nodeOptions;
    this.failed = new Promise<never>((_resolve, reject) => {
      this.#fail = reject;
    });
    // Whoever waits for it gets to know; at the end nobody does.
    this.failed.catch(() => {});
  }

  /** Starts a program and resolves when it is ready. */
  async start(options: ProgramOptions): Promise<Program> {
    const said = new EventEmitter();
    const preload = `--import=${pathToFileURL(distFile("bench/report-peak-memory.js")).href}`;
    const measured =
      options.measureMemory === true ? { NODE_OPTIONS: `${preload} ${this.#nodeOptions}`, ...ALLOCATOR } : {};
    const part = await startPart({
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
    });
    this.#parts.add(part);
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

  /** A new directory for files that they need; it goes with them. */
  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), "dispatcher-bench-"));
    this.#directories.push(directory);
    return directory;
  }

  /** Has something else ended after all of them. Ending it twice has to be harmless. */
  atEnd(stop: () => Promise<unknown>): void {
    this.#others.push(stop);
  }

  /** Ends all that still run, the last one first. */
  async stopAll(): Promise<void> {
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
  // Its last line may be read only after it is gone.
  const timer = setTimeout(() => patience.abort(), 2_000);
  const [mib] = await peak;
  clearTimeout(timer);
  return mib;
}

/** A file of the build. */
export function distFile(path: string): string {
  return join(PROJECT_ROOT, "dist", ...path.split("/"));
}

/** The processor time that a process has used so far, ms, in steps of 10. Undefined where /proc doesn't tell. */
export async function cpuMs(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The name of the program stands in parentheses, and may hold anything.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields && (Number(fields[11]) + Number(fields[12])) * 10;
}
