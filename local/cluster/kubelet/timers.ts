/** No timer can be set for longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What is still to come for one thing, and all of it gone at once where that thing ends. */
export class Timers {
  readonly #pending = new Set<NodeJS.Timeout>();

  after(ms: number, action: () => void): void {
    const timer = setTimeout(
      () => {
        this.#pending.delete(timer);
        action();
      },
      Math.min(ms, MAX_TIMER_MS),
    );
    this.#pending.add(timer);
  }

  /** Resolves that much later; never, where all is cleared before. */
  elapsed(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }

  clear(): void {
    for (const timer of this.#pending) clearTimeout(timer);
    this.#pending.clear();
  }
}
