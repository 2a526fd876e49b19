/** How long nothing may happen before it is taken for a standstill. */
const PATIENCE_MS = 60_000;

/** Counts what a program says that it has handled, by outcome: the app's own log lines, or those of the bare calls, which say the same. */
export class Deliveries {
  readonly #outcomes = new Map<string, number>();
  #count = 0;
  #onCount: () => void = () => {};

  /** Takes one line of the program. */
  readonly take = (line: string): void => {
    if (!line.includes('"handled a delivery"')) return;
    const outcome = /"outcome":"(\w+)"/.exec(line)?.[1] ?? "unknown";
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
    this.#count += 1;
    this.#onCount();
  };

  get count(): number {
    return this.#count;
  }

  /** Deliveries that did not end with a Job recorded as `dispatched`, by outcome. */
  others(): ReadonlyMap<string, number> {
    return new Map([...this.#outcomes].filter(([outcome]) => outcome !== "dispatched"));
  }

  /** Resolves when so many have been handled. Rejects where nothing happens for a minute. */
  async until(count: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let timer: NodeJS.Timeout;
      const look = () => {
        clearTimeout(timer);
        if (this.#count >= count) resolve();
        else timer = setTimeout(() => reject(new Error(`stands still at ${this.#count} of ${count}`)), PATIENCE_MS);
      };
      this.#onCount = look;
      look();
    });
    this.#onCount = () => {};
  }
}
