import type { Clock } from "../clock.ts";

/** How old a look may be before a trigger looks again. */
const MAX_AGE_MS = 10_000;

/** What was seen last, and what to do if that is too old. */
export interface Recent<T> {
  /** Gives what was seen in the last 10 s, or else what `look` sees now. One look at a time: a burst shares it. */
  get(look: () => Promise<T>): Promise<T>;
  /** Looks now, whatever is known. */
  renew(look: () => Promise<T>): Promise<T>;
}

/** Makes a memory of one look. The age counts from the look's beginning, by a clock that is never set back. */
export function makeRecent<T>(clock: Pick<Clock, "read">): Recent<T> {
  let last: { readonly seen: T; readonly atMs: number } | undefined;
  let looking: Promise<T> | undefined;

  async function renew(look: () => Promise<T>): Promise<T> {
    const atMs = clock.read().monotonicMs;
    const seen = await look();
    last = { seen, atMs };
    return seen;
  }

  return {
    renew,
    async get(look) {
      if (last && clock.read().monotonicMs - last.atMs <= MAX_AGE_MS) return last.seen;
      looking ??= renew(look).finally(() => {
        looking = undefined;
      });
      return looking;
    },
  };
}
