/**
 * The Jobs whose runs this process is taking further just now, by their names. The tick and the watch work side by side,
 * and a run that one of them has in hand is not taken by the other. That is thrift, not safety: two steps at once are
 * harmless, because every write is conditional, but they ask for everything twice.
 */
export interface InHand {
  readonly size: number;
  /** Takes a name. Resolves to what puts it down again; undefined if it is in hand already. */
  take(name: string): (() => void) | undefined;
  /** Takes a name as soon as it is put down. */
  takeLater(name: string): Promise<() => void>;
}

export function makeInHand(): InHand {
  /** What waits for a name that is in hand. */
  const held = new Map<string, (() => void)[]>();

  function take(name: string): (() => void) | undefined {
    if (held.has(name)) return undefined;
    const waiting: (() => void)[] = [];
    held.set(name, waiting);
    return () => {
      held.delete(name);
      for (const wake of waiting) wake();
    };
  }

  return {
    get size() {
      return held.size;
    },
    take,
    async takeLater(name) {
      for (;;) {
        const putDown = take(name);
        if (putDown) return putDown;
        await new Promise<void>((resolve) => held.get(name)?.push(resolve));
      }
    },
  };
}
