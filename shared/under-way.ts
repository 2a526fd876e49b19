/** Gives those who ask while an answer is made the same one, so that it is made once at a time. */
export function sharedWhileUnderWay<T>(make: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | undefined;
  return () =>
    (underWay ??= make().finally(() => {
      underWay = undefined;
    }));
}
