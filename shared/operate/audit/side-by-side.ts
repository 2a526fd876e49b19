import pLimit from "p-limit";

/**
 * Does something with each of these things, so many at once, and resolves to the answers in the things' order. If one
 * fails, it rejects with the first failure in that order, but only after all are over, so that nothing goes on behind a
 * caller that closes its connections.
 */
export async function sideBySide<T, R>(
  things: readonly T[],
  atOnce: number,
  act: (thing: T) => Promise<R>,
): Promise<R[]> {
  const limit = pLimit(atOnce);
  const all = things.map((thing) => limit(() => act(thing)));
  await Promise.allSettled(all);
  return Promise.all(all);
}
