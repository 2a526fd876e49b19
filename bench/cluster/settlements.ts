import { z } from "zod";

/** How long no message may be settled before the bench gives up. */
const PATIENCE_MS = 60_000;

const started = z.object({ message: z.literal("started a job"), messageId: z.string(), jobName: z.string() });
const closed = z.object({ message: z.literal("closed a run"), messageId: z.string() });
const event = z.object({ object: z.object({ rows: z.array(z.object({ cells: z.array(z.unknown()) })) }) });

/** Names the Jobs that are complete, of one line of a watch of the Jobs. */
export function completedJobs(line: string): string[] {
  if (!line.includes('"Complete"')) return [];
  return event
    .parse(JSON.parse(line))
    .object.rows.flatMap(({ cells: [name, state] }) => (state === "Complete" ? [String(name)] : []));
}

/**
 * Keeps when each Job finished, as the cluster says, and when its message was settled, as the measured program says.
 */
export class Settlements {
  readonly #jobNames = new Map<string, string>();
  readonly #finishedAt = new Map<string, number>();
  readonly #closedAt = new Map<string, number>();
  #onClosed: () => void = () => {};

  /** Takes one line of the program. */
  readonly takeLine = (line: string): void => {
    if (!line.includes('"started a job"') && !line.includes('"closed a run"')) return;
    const said: unknown = JSON.parse(line.slice(line.indexOf("{")));
    const { data: start } = started.safeParse(said);
    if (start) this.#jobNames.set(start.messageId, start.jobName);
    const { data: end } = closed.safeParse(said);
    if (!end) return;
    this.#closedAt.set(this.#jobNames.get(end.messageId) ?? end.messageId, performance.now());
    this.#onClosed();
  };

  /** Takes one line of a watch of the Jobs. */
  readonly takeEvent = (line: string): void => {
    for (const name of completedJobs(line)) {
      // The Job changes again when it is retired.
      if (!this.#finishedAt.has(name)) this.#finishedAt.set(name, performance.now());
    }
  };

  /** How many messages were settled. */
  get count(): number {
    return this.#closedAt.size;
  }

  /** Resolves when so many messages are settled. Rejects if no message is settled for a minute. */
  async until(count: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let timer: NodeJS.Timeout;
      this.#onClosed = () => {
        clearTimeout(timer);
        if (this.count >= count) resolve();
        else
          timer = setTimeout(
            () => reject(new Error(`${this.count} of ${count} messages were settled, and none for a minute`)),
            PATIENCE_MS,
          );
      };
      this.#onClosed();
    });
    this.#onClosed = () => {};
  }

  /** Lists the ms from the end of each Job to the settlement of its message. */
  latenciesMs(): number[] {
    return [...this.#finishedAt].map(([name, at]) => (this.#closedAt.get(name) ?? Number.NaN) - at);
  }
}
