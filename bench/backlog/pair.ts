/** What was made or measured twice: where no run waits, and where many do. */
export interface Pair<T> {
  readonly none: T;
  readonly many: T;
}

/** Does the same with both, one after the other. */
export async function withBoth<T, U>({ none, many }: Pair<T>, act: (one: T) => Promise<U>): Promise<Pair<U>> {
  const first = await act(none);
  return { none: first, many: await act(many) };
}
