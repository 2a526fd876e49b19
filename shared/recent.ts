import { type Clock, isFresh, type Reading } from "./clock.ts";

/** How old what was seen may be before a trigger looks again. */
const MAX_AGE_MS = 10_000;

/** What was seen last, and what to do if that is too old. */
export interface Recent<T> {
  /**
   * Gives what was seen in the last 10 s, or within `maxAgeMs`, or else what `look` sees now. One look at a time: a burst
   * shares it.
   */
  get(look: () => Promise<T>, maxAgeMs?: number): Promise<T>;
  /** Looks now, whatever is known. */
  renew(look: () => Promise<T>): Promise<T>;
  /** Takes what was seen just now by other means. */
  note(seen: T): void;
  /** Gives what was seen last, however old; undefined if nothing was. */
  last(): T | undefined;
}

/** Makes a memory of one look. The age counts from the look's beginning, by both clocks of this machine. */
export function makeRecent<T>(clock: Pick<Clock, "read">): Recent<T> {
  let known: { readonly seen: T; readonly at: Reading } | undefined;
  let looking: Promise<T> | undefined;

  async function renew(look: () => Promise<T>): Promise<T> {
    const at = clock.read();
    const seen = await look();
    known = { seen, at };
    return seen;
  }

  return {
    renew,
    async get(look, maxAgeMs = MAX_AGE_MS) {
      if (known && isFresh(known.at, clock, maxAgeMs)) return known.seen;
      looking ??= renew(look).finally(() => {
        looking = undefined;
      });
      return looking;
    },
    note(seen) {
      known = { seen, at: clock.read() };
    },
    last: () => known?.seen,
  };
}
