/** How long no delivery may be handled before the bench gives up. */
const PATIENCE_MS = 60_000;

/**
 * Counts the deliveries that a program says it has handled, by outcome. The bare calls write the same line as the app.
 */
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

  /** Counts the deliveries that ended so. */
  countOf(outcome: string): number {
    return this.#outcomes.get(outcome) ?? 0;
  }

  /**
   * Throws an Error if fewer than `messages` deliveries ended as `outcome` since `before` of them had. What another one
   * costs must not be taken for what such a message costs.
   */
  require(outcome: string, messages: number, before = 0): void {
    const others = messages - (this.countOf(outcome) - before);
    if (others <= 0) return;
    const all = [...this.#outcomes].map(([each, count]) => `${count} ${each}`).join(", ");
    throw new Error(`${others} of ${messages} deliveries did not end as "${outcome}". So far: ${all}`);
  }

  /** Counts the deliveries that did not end as `dispatched`, by outcome. */
  others(): ReadonlyMap<string, number> {
    return new Map([...this.#outcomes].filter(([outcome]) => outcome !== "dispatched"));
  }

  /** Resolves when so many have been handled. Rejects if no delivery is handled for a minute. */
  async until(count: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let timer: NodeJS.Timeout;
      const look = () => {
        clearTimeout(timer);
        if (this.#count >= count) resolve();
        else
          timer = setTimeout(
            () => reject(new Error(`${this.#count} of ${count} deliveries were handled, and none for a minute`)),
            PATIENCE_MS,
          );
      };
      this.#onCount = look;
      look();
    });
    this.#onCount = () => {};
  }
}
