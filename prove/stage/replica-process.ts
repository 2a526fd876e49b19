import { setTimeout as sleep } from "node:timers/promises";
import { type Part, startPart } from "../../local/stack/part.ts";
import type { Replica } from "../faults/replica.ts";

export interface ReplicaOptions {
  readonly name: string;
  /** The host's program. */
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly onLine: (line: string) => void;
  /** Takes the last words of a process that ended without being killed. */
  readonly onDeath: (words: string) => void;
}

const LOOK_MS = 100;

/** Runs one replica, and starts a new process whenever the old one is gone, until `stop`. */
export class ReplicaProcess implements Replica {
  readonly #options: ReplicaOptions;
  #part: Part | undefined;
  #state: "down" | "up" | "frozen" = "down";
  #stopped = false;
  /** Why the last process was not up, in words. */
  #failure = "its process does not say that it is ready";
  /** Rises with each process, because what was seen of an earlier process says nothing about this one. */
  generation = 0;
  #starting: Promise<void> = Promise.resolve();

  constructor(options: ReplicaOptions) {
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#state === "up";
  }

  /** The port where the replica answers over HTTP; 0 while it is down. */
  get port(): number {
    return Number(this.#part?.ready["port"] ?? 0);
  }

  get name(): string {
    return this.#options.name;
  }

  /**
   * Starts a process. Resolves when it is up, or when `stop` was called. Tries again until it works, because a server
   * may be away.
   */
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
        this.#failure = error instanceof Error ? error.message : String(error);
        onLine(`could not be started: ${this.#failure}`);
        await sleep(500);
      }
    }
  }

  /** Resolves when the replica is up. If that takes longer than `ms`, rejects with an Error that says why it is not. */
  async upWithin(ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (!this.isUp) {
      if (performance.now() > deadline) {
        const why = this.#state === "frozen" ? "it is frozen" : this.#failure;
        throw new Error(`${this.name} was not up within ${ms / 1000} s: ${why}`);
      }
      await sleep(LOOK_MS);
    }
  }

  /** Sends SIGKILL, and starts a new process. */
  kill(): void {
    const part = this.#part;
    if (part === undefined) return;
    this.#part = undefined;
    this.#state = "down";
    signal(part.pid, "SIGKILL");
    void this.start();
  }

  /** Sends SIGSTOP now, and SIGCONT when the time is over. */
  freeze(ms: number): Promise<void> {
    return this.freezeUntil(sleep(ms));
  }

  /** Sends SIGSTOP now, and SIGCONT when `woken` resolves. */
  async freezeUntil(woken: Promise<unknown>): Promise<void> {
    const part = this.#part;
    if (part === undefined) return;
    this.#state = "frozen";
    signal(part.pid, "SIGSTOP");
    await woken;
    signal(part.pid, "SIGCONT");
    if (this.#part === part) this.#state = "up";
  }

  /**
   * Kills the process for good, without waiting. A frozen process would otherwise outlive the program that started it.
   */
  killNow(): void {
    this.#stopped = true;
    if (this.#part) signal(this.#part.pid, "SIGKILL");
  }

  /** Ends the process, and starts no other. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#starting;
    if (this.#part) signal(this.#part.pid, "SIGCONT");
    await this.#part?.stop();
  }
}

/** Sends a signal to a process that the proof has started. Does nothing if the process is gone. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
