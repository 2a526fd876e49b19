import type { KeyRange } from "../../shared/adapters/tables/keys.ts";
import type { Row, TableRows } from "../../shared/adapters/tables/rows.ts";
import { makeRunLists } from "../../shared/adapters/tables/run-lists.ts";
import type { Clock } from "../../shared/clock.ts";

/** Gives the adapter's lists of runs over these rows, which are in order. `onRead` is told how many rows a query gave. */
export function listsOf(rows: readonly Row[], clock: Clock, onRead: (rows: number) => void = () => {}) {
  const table: Pick<TableRows, "query"> = {
    query: async (_, { from, below }: KeyRange, { limit = Number.POSITIVE_INFINITY }) => {
      const found = rows.filter(({ rowKey }) => rowKey >= from && rowKey < below).slice(0, limit);
      onRead(found.length);
      return found;
    },
  };
  return makeRunLists({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The lists only query.
    rows: table as TableRows,
    instance: "i",
    clock,
    readable: (found, read) => found.map(read),
    moveOldRows: async () => {},
  });
}
