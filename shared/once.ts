/**
 * Makes a promise at the first call, and gives the same one to every later call. If it rejects, the next call makes a
 * new one, so that a dependency that was away once is asked again.
 */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () =>
    (made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    }));
}
