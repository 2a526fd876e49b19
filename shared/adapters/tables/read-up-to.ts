import { after, type KeyRange } from "./keys.ts";
import type { Row } from "./rows.ts";

/** The most rows that the service gives in one answer. */
export const PAGE = 1_000;

/**
 * Reads a range until there are `limit` things in it that `readPage` can read, or its end is reached. So fewer are the
 * last ones, also if rows in between can't be read.
 */
export async function readUpTo<T>(
  query: (range: KeyRange, limit: number) => Promise<readonly Row[]>,
  range: KeyRange,
  limit: number,
  readPage: (rows: readonly Row[]) => readonly T[],
): Promise<T[]> {
  const found: T[] = [];
  for (let rest = range, size = limit; ; size = PAGE) {
    const page = await query(rest, size);
    found.push(...readPage(page));
    const last = page.at(-1);
    if (found.length >= limit || !last || page.length < size) return found.slice(0, limit);
    rest = after(last.rowKey, rest);
  }
}
