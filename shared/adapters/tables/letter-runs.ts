import pLimit from "p-limit";
import type { LetterRun, RunTable } from "../../ports/run-table.ts";
import { nameOfRun } from "../../run/dead-letter.ts";
import { type Source, sourceName } from "../../run/source.ts";
import { letterIn, runRanges, runRow, sourcePartition } from "./keys.ts";
import type { ReadRows, Row, TableRows } from "./rows.ts";
import { isMark, isNewer, readStoredClosedRun } from "./run-entity.ts";

/** Ranges that are read at once. */
const CONCURRENCY = 16;
/** So many numbers a range spans at most. Between those of letters are those of other messages, read for nothing. */
const SPAN = 100;

/** Makes the part of the port that says what runs the messages of a dead letter queue had. */
export function makeLetterRuns(rows: TableRows, instance: string, readable: ReadRows): RunTable["letterRuns"] {
  return async (source, keys) => {
    const wanted = new Map(keys.map((key) => [runRow(key), nameOfRun(key)]));
    const pages = await pLimit(CONCURRENCY).map(runRanges(keys, SPAN, { redrives: true }), (range) =>
      rows.query(
        sourcePartition(instance, source),
        range,
        {},
        `looking for the runs of letters of ${sourceName(source)}`,
      ),
    );
    const last = new Map<string, { readonly row: Row; readonly redrive: number }>();
    for (const row of pages.flat()) {
      const { original, redrive } = partsOf(row.rowKey);
      const name = wanted.get(original);
      if (name !== undefined && redrive >= (last.get(name)?.redrive ?? 0)) last.set(name, { row, redrive });
    }
    return new Map(
      [...last].flatMap(([name, { row, redrive }]) =>
        readable([row], () => [name, letterRunOf(row, source, redrive)] as const),
      ),
    );
  };
}

/** Reads from the key of a `run|` row which run it is of, and which redrive of it. */
function partsOf(rowKey: string): { readonly original: string; readonly redrive: number } {
  const [, original = rowKey, redrive = "0"] = /^(.+)\|r(\d+)$/.exec(rowKey) ?? [];
  return { original, redrive: Number(redrive) };
}

function letterRunOf(row: Row, source: Source, redrive: number): LetterRun {
  const { columns } = row;
  if (isNewer(columns)) return { kind: "newer" };
  if (isMark(columns)) return { kind: "open", redrive };
  const letter = typeof columns.deadRow === "string" ? letterIn(columns.deadRow) : undefined;
  return { kind: "closed", ...readStoredClosedRun(row, source), letter, columns };
}
