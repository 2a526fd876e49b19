/** Gives numbers that look random and follow from a seed: the same seed gives the same numbers. */
export interface Random {
  /** Gives a number from 0 up to, but not including, 1. */
  next(): number;
  /** Gives a whole number from 0 to `below - 1`. */
  below(below: number): number;
  /** Gives a number from `from` up to, but not including, `to`. */
  between(from: number, to: number): number;
  /** Gives one of these. */
  pick<T>(from: readonly [T, ...T[]]): T;
  /** Gives the same items in another order. */
  shuffled<T>(items: readonly T[]): T[];
}

/** Makes the generator known as mulberry32. It has 32 bits of state, which is enough to scatter faults. */
export function makeRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    next,
    below,
    between: (from, to) => from + next() * (to - from),
    pick: ([first, ...others]) => others[below(others.length + 1) - 1] ?? first,
    shuffled(items) {
      const order = items.map((item) => ({ item, at: next() }));
      return order.toSorted((a, b) => a.at - b.at).map(({ item }) => item);
    },
  };
}
