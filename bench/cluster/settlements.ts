import { z } from "zod";

/** How long no message may be settled before the bench gives up. */
const PATIENCE_MS = 60_000;

const started = z.object({ messageId: z.string(), jobName: z.string() });
const closed = z.object({ message: z.literal("closed a run"), messageId: z.string() });
const event = z.object({ object: z.object({ rows: z.array(z.object({ cells: z.array(z.unknown()) })) }) });

/** Names the Jobs that are complete, of one line of a watch of the Jobs. */
export function completedJobs(line: string): string[] {
  if (!line.includes('"Complete"')) return [];
  return event
    .parse(JSON.parse(line))
    .object.rows.flatMap(({ cells: [name, state] }) => (state === "Complete" ? [String(name)] : []));
}

/** Names the Jobs whose pods' containers have exited, of one line of a watch of the pods. */
export function exitedJobs(line: string): string[] {
  if (!line.includes('"Completed"')) return [];
  return (
    event
      .parse(JSON.parse(line))
      // A pod's name is its Job's with six more characters.
      .object.rows.flatMap(({ cells: [name, , state] }) => (state === "Completed" ? [String(name).slice(0, -6)] : []))
  );
}

/**
 * Keeps when the container of each Job exited and when the Job finished, as the cluster says, and when its message was
 * settled, as the measured program says.
 */
export class Settlements {
  readonly #jobNames = new Map<string, string>();
  readonly #exitedAt = new Map<string, number>();
  readonly #finishedAt = new Map<string, number>();
  readonly #closedAt = new Map<string, number>();
  #onClosed: () => void = () => {};

  /** Takes one line of the program. */
  readonly takeLine = (line: string): void => {
    if (!line.includes('"jobName"') && !line.includes('"closed a run"')) return;
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

  /** Takes one line of a watch of the pods. */
  readonly takePodEvent = (line: string): void => {
    for (const name of exitedJobs(line)) {
      if (!this.#exitedAt.has(name)) this.#exitedAt.set(name, performance.now());
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

  /** Lists the ms from the end of each Job, and from the exit of its container, to the settlement of its message. */
  latenciesMs(): { readonly sinceFinished: readonly number[]; readonly sinceExited: readonly number[] } {
    const since = (times: ReadonlyMap<string, number>) =>
      [...times].map(([name, at]) => (this.#closedAt.get(name) ?? Number.NaN) - at);
    return { sinceFinished: since(this.#finishedAt), sinceExited: since(this.#exitedAt) };
  }
}
