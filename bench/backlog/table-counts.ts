import type { TableCounts } from "../../local/table-server/start-table-server.ts";

/** Combines counts of the table, each with its namesake. */
export function combined(a: TableCounts, b: TableCounts, combine: (one: number, other: number) => number): TableCounts {
  return {
    requests: combine(a.requests, b.requests),
    written: combine(a.written, b.written),
    read: combine(a.read, b.read),
  };
}

/** Gives what was asked of the table between two counts, divided by so many messages or ticks. */
export function countsBetween(before: TableCounts, after: TableCounts, things: number): TableCounts {
  return combined(before, after, (first, last) => (last - first) / things);
}
