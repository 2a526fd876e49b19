/** Counts what Dispatchers write, by their constant messages, and tells what time it is for them. */
export class LogBook {
  /** By who wrote it, then by the message. */
  readonly #counts = new Map<string, Map<string, number>>();
  readonly #aheadMs = new Map<string, number>();

  /** Takes one line of the host: `time level function {"message": ...}`. Others are passed over. `now`: our own clock. */
  note(who: string, line: string, now: number): void {
    const [time = ""] = line.split(" ", 1);
    const writtenAt = /^\d{4}-\d\d-\d\dT/.test(time) ? Date.parse(time) : Number.NaN;
    if (Number.isNaN(writtenAt)) return;
    this.#aheadMs.set(who, writtenAt - now);
    const message = /\{"message":"([^"]*)"/.exec(line)?.[1];
    if (message === undefined) return;
    const counts = this.#counts.get(who) ?? new Map<string, number>();
    counts.set(message, (counts.get(message) ?? 0) + 1);
    this.#counts.set(who, counts);
  }

  /** How many lines began with these words: all, or those of one Dispatcher. */
  linesWith(words: string, by?: string): number {
    let sum = 0;
    for (const [who, counts] of this.#counts)
      if (by === undefined || who === by)
        for (const [message, count] of counts) if (message.startsWith(words)) sum += count;
    return sum;
  }

  /** How far the clock of a Dispatcher was ahead of ours when it wrote its last line; NaN where it wrote none. */
  aheadMs(who: string): number {
    return this.#aheadMs.get(who) ?? Number.NaN;
  }
}
