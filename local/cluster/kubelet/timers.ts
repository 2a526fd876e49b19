/** Node can't set a timer for longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The timers of one thing, which are all cleared at once when that thing ends. */
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

  /** Resolves that much later. Never resolves if the timers are cleared before. */
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
