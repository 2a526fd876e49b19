import { odata } from "@azure/data-tables";
import { z } from "zod";
import type { RunTable } from "../../ports/run-table.ts";
import { type NotedLetter, notedLetter } from "../../run/dead-letter.ts";
import { REASONS } from "../../run/reasons.ts";
import type { ClosedRun } from "../../run/run.ts";
import { sourceName } from "../../run/source.ts";
import { type Columns, count, decoded, long, prose, text, time } from "./columns.ts";
import { after, deadRow, deadRows, sourcePartition } from "./keys.ts";
import { readUpTo } from "./read-up-to.ts";
import type { ReadRows, Row, TableRows } from "./rows.ts";
import { isNewer, VERSION, writeOtherRows } from "./run-entity.ts";
import type { Step } from "./transactions.ts";

/** The columns of a `dead|` row. The id and the text of the failure's group lie flat. */
const DEAD = z.object({
  module: text,
  reason: z.enum(REASONS),
  exitCode: z.exactOptional(count),
  group: text,
  groupText: prose,
  messageId: text,
  attempts: count,
  closedAt: time,
  sequenceNumber: long,
  enqueuedAt: time,
} satisfies Record<Exclude<keyof NotedLetter, "source"> | "groupText", z.ZodType>);

/**
 * Makes the row of the dead letter that a closed run leaves, and the column of its `run|` row that names it. There are
 * none if it leaves no dead letter. It is put and not created, as the rows of a search are.
 */
export function deadLetterRow(
  run: ClosedRun,
  partitionKey: string,
): { readonly steps: Step[]; readonly columns: Columns } {
  const letter = notedLetter(run);
  if (!letter) return { steps: [], columns: {} };
  const rowKey = deadRow(letter);
  const { group, ...facts } = letter;
  const columns = z.encode(DEAD, { ...facts, group: group.id, groupText: group.text });
  return {
    steps: [{ kind: "put", row: { version: VERSION, ...columns, partitionKey, rowKey } }],
    columns: writeOtherRows({ deadRow: rowKey }),
  };
}

/** Makes the part of the port that lists dead letters. */
export function makeDeadLetters(rows: TableRows, instance: string, readable: ReadRows): RunTable["deadLetters"] {
  return (source, wanted, limit, last) => {
    const letterOf = ({ columns, etag }: Row) => {
      const { group: id, groupText, ...facts } = decoded(DEAD, columns);
      return { source, ...facts, group: { id, text: groupText }, etag };
    };
    const { reason, group } = wanted;
    // The range may be wider than what is wanted.
    const filters = [
      ...(reason === undefined ? [] : [odata`reason eq ${reason}`]),
      ...(group === undefined ? [] : [odata`group eq ${group}`]),
    ];
    return readUpTo(
      (part, size) =>
        rows.query(
          sourcePartition(instance, source),
          part,
          { limit: size, ...(filters.length === 0 ? {} : { filter: filters.join(" and ") }) },
          `listing the dead letters of ${sourceName(source)}`,
        ),
      after(last && deadRow(last), deadRows(wanted)),
      limit,
      (page) =>
        readable(
          page.filter(({ columns }) => !isNewer(columns)),
          letterOf,
        ),
    );
  };
}
