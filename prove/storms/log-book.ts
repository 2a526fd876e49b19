/** Counts the lines that replicas log, by their constant messages, and compares the replicas' clocks with ours. */
export class LogBook {
  /** The counts, by writer and then by message. */
  readonly #counts = new Map<string, Map<string, number>>();
  readonly #aheadMs = new Map<string, number>();

  /**
   * Takes one line: of an invocation, `time level function {"message": ...}`, or of no invocation, `{"message": ...}`.
   * It ignores others. `now`: the time of our own clock.
   */
  note(who: string, line: string, now: number): void {
    const [time = ""] = line.split(" ", 1);
    const writtenAt = /^\d{4}-\d\d-\d\dT/.test(time) ? Date.parse(time) : Number.NaN;
    if (!Number.isNaN(writtenAt)) this.#aheadMs.set(who, writtenAt - now);
    else if (!line.startsWith("{")) return;
    const message = /\{"message":"([^"]*)"/.exec(line)?.[1];
    if (message === undefined) return;
    const counts = this.#counts.get(who) ?? new Map<string, number>();
    counts.set(message, (counts.get(message) ?? 0) + 1);
    this.#counts.set(who, counts);
  }

  /** Counts the lines whose message begins with these words: those of all replicas, or of one. */
  linesWith(words: string, by?: string): number {
    let sum = 0;
    for (const [who, counts] of this.#counts)
      if (by === undefined || who === by)
        for (const [message, count] of counts) if (message.startsWith(words)) sum += count;
    return sum;
  }

  /** Tells how far a replica's clock was ahead of ours when it wrote its last line; NaN if it wrote no line. */
  aheadMs(who: string): number {
    return this.#aheadMs.get(who) ?? Number.NaN;
  }
}
