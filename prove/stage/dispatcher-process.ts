import { setTimeout as sleep } from "node:timers/promises";
import { type Part, startPart } from "../../local/stack/part.ts";

export interface DispatcherOptions {
  readonly name: string;
  /** The host's program, and its arguments. */
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly onLine: (line: string) => void;
  /** Told when it ended without having been killed: its last words. */
  readonly onDeath: (words: string) => void;
}

/** One Dispatcher: a process that is started again whenever it is gone, until `stop`. */
export class DispatcherProcess {
  readonly #options: DispatcherOptions;
  #part: Part | undefined;
  #state: "down" | "up" | "frozen" = "down";
  #stopped = false;
  /** Rises with each process: what was seen of an earlier one says nothing about this one. */
  generation = 0;
  #starting: Promise<void> = Promise.resolve();

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  /** Where it answers over HTTP; 0 while it is down. */
  get port(): number {
    return Number(this.#part?.ready["port"] ?? 0);
  }

  get name(): string {
    return this.#options.name;
  }

  /** Resolves when it is up, or was stopped meanwhile. Tries until it works: its servers may be away just now. */
  async start(): Promise<void> {
    this.#starting = this.#start();
    await this.#starting;
  }

  async #start(): Promise<void> {
    const { name, program, args, env, onLine, onDeath } = this.#options;
    while (!this.#stopped) {
      const startedAt = performance.now();
      try {
        const part = await startPart({ name, program, args, env, onLine, stopTimeoutMs: 5_000 });
        this.#part = part;
        this.generation += 1;
        this.#state = "up";
        onLine(`up after ${Math.round(performance.now() - startedAt)} ms`);
        void part.died.then((words) => {
          if (this.#part !== part || this.#stopped) return;
          onDeath(words);
          this.#state = "down";
          void this.start();
        });
        return;
      } catch (error) {
        onLine(`could not be started: ${error instanceof Error ? error.message : String(error)}`);
        await sleep(500);
      }
    }
  }

  /** SIGKILL; a new process takes its place. */
  kill(): void {
    const part = this.#part;
    if (part === undefined) return;
    this.#part = undefined;
    this.#state = "down";
    signal(part.pid, "SIGKILL");
    void this.start();
  }

  /** SIGSTOP, and SIGCONT when the time is over. */
  freeze(ms: number): Promise<void> {
    return this.freezeUntil(sleep(ms));
  }

  /** SIGSTOP, and SIGCONT when `woken` resolves. */
  async freezeUntil(woken: Promise<unknown>): Promise<void> {
    const part = this.#part;
    if (part === undefined) return;
    this.#state = "frozen";
    signal(part.pid, "SIGSTOP");
    await woken;
    signal(part.pid, "SIGCONT");
    if (this.#part === part) this.#state = "up";
  }

  /** For a program that ends without waiting: a process that sleeps would never learn of it. */
  killNow(): void {
    this.#stopped = true;
    if (this.#part) signal(this.#part.pid, "SIGKILL");
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#starting;
    if (this.#part) signal(this.#part.pid, "SIGCONT");
    await this.#part?.stop();
  }
}

/** To a process that we started; harmless where it is gone. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
