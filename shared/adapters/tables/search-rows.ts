import { z } from "zod";
import type { RunTable } from "../../ports/run-table.ts";
import { keyOf, type Run, type RunKey } from "../../run/run.ts";
import { type Source, sourceName } from "../../run/source.ts";
import { type Columns, count, decoded, long, text, time } from "./columns.ts";
import { after, rowFoundBy, rowsFoundBy, sourcePartition } from "./keys.ts";
import type { ReadRows, TableRows } from "./rows.ts";
import { isNewer, versionOf, writeOtherRows } from "./run-entity.ts";
import type { Step } from "./transactions.ts";

/** The columns of a `msg|` or `corr|` row. It holds the id itself, because two ids may have the same hash. */
const FOUND = z.object({ id: text, sequenceNumber: long, enqueuedAt: time, redrive: z.exactOptional(count) });

/**
 * Makes the rows by which a run is found by its message's id and its correlation id, and the columns of its `run|` row
 * that name them. An id that is missing or empty has none. They are put and not created: a release that doesn't know
 * them purges a run without them, and they must not keep its message from being accepted once more.
 */
export function searchRows(run: Run, partitionKey: string): { readonly steps: Step[]; readonly columns: Columns } {
  const { sequenceNumber, enqueuedAt, redrive, messageId, correlationId = "" } = run;
  const rows = [["msg", messageId] as const, ["corr", correlationId] as const]
    .filter(([, id]) => id !== "")
    .map(([kind, id]) => ({
      version: versionOf(run),
      ...z.encode(FOUND, { id, sequenceNumber, enqueuedAt, ...(redrive === undefined ? {} : { redrive }) }),
      partitionKey,
      rowKey: rowFoundBy(kind, asHeld(id), run),
    }));
  return {
    steps: rows.map((row) => ({ kind: "put", row })),
    columns: rows.length === 0 ? {} : writeOtherRows({ searchRows: rows.map(({ rowKey }) => rowKey) }),
  };
}

/** Gives an id as its column holds it. */
function asHeld(id: string): string {
  return z.encode(text, id);
}

/** Makes the part of the port that finds runs by the ids of their messages. */
export function makeSearch(
  rows: TableRows,
  instance: string,
  readable: ReadRows,
): Pick<RunTable, "withMessageId" | "withCorrelationId"> {
  const search =
    (kind: "msg" | "corr", what: string) => async (source: Source, sought: string, limit: number, last?: RunKey) => {
      const id = asHeld(sought);
      const doing = `looking for the runs of ${sourceName(source)} by their ${what}`;
      const range = after(last && rowFoundBy(kind, id, last), rowsFoundBy(kind, id));
      const found = await rows.query(sourcePartition(instance, source), range, { limit }, doing);
      const known = found.filter(({ columns }) => !isNewer(columns));
      return readable(known, ({ columns }) => decoded(FOUND, columns))
        .filter((row) => row.id === id)
        .map((row) => keyOf({ source, ...row }));
    };
  return { withMessageId: search("msg", "message id"), withCorrelationId: search("corr", "correlation id") };
}
