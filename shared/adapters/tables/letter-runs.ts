import pLimit from "p-limit";
import { z } from "zod";
import type { LetterRun, RunTable } from "../../ports/run-table.ts";
import { nameOfRun } from "../../run/dead-letter.ts";
import { CLOSED_STATUSES, type RunKey } from "../../run/run.ts";
import { type Source, sourceName } from "../../run/source.ts";
import { decoded } from "./columns.ts";
import { letterIn, runRanges, runRow, sourcePartition } from "./keys.ts";
import { PAGE } from "./read-up-to.ts";
import type { ReadRows, Row, TableRows } from "./rows.ts";
import { isMark, isNewer, NEWER, readStoredClosedRun } from "./run-entity.ts";

/** Ranges that are read at once. */
const CONCURRENCY = 16;
/** So many numbers a range spans at most. Between those of letters are those of other messages, read for nothing. */
const SPAN = 100;

/** What of the row of a redriven run says how that is. */
const REDRIVEN = z.object({ status: z.enum(["open", ...CLOSED_STATUSES]) });
/** Matches the rows of redriven runs, and what a newer release wrote. */
const REDRIVEN_OR_NEWER = `(redrive ge 1 or ${NEWER})`;

/** Makes the part of the port that says what runs the messages of a dead letter queue had. */
export function makeLetterRuns(
  rows: TableRows,
  instance: string,
  readable: ReadRows,
): Pick<RunTable, "letterRuns" | "lastRedrives"> {
  /** Finds the last row of each letter among those that a query gives, by the names of the letters' runs. */
  async function lastRows(
    source: Source,
    keys: readonly RunKey[],
    { span, ...options }: { readonly span: number; readonly filter?: string; readonly select?: string[] },
  ) {
    const wanted = new Map(keys.map((key) => [runRow(key), nameOfRun(key)]));
    const pages = await pLimit(CONCURRENCY).map(runRanges(keys, span, { redrives: true }), (range) =>
      rows.query(
        sourcePartition(instance, source),
        range,
        options,
        `looking for the runs of letters of ${sourceName(source)}`,
      ),
    );
    const last = new Map<string, { readonly row: Row; readonly redrive: number }>();
    for (const row of pages.flat()) {
      const { original, redrive } = partsOf(row.rowKey);
      const name = wanted.get(original);
      if (name !== undefined && redrive >= (last.get(name)?.redrive ?? 0)) last.set(name, { row, redrive });
    }
    return last;
  }

  return {
    async letterRuns(source, keys) {
      const last = await lastRows(source, keys, { span: SPAN });
      return new Map(
        [...last].flatMap(([name, { row, redrive }]) =>
          readable([row], () => [name, letterRunOf(row, source, redrive)] as const),
        ),
      );
    },

    async lastRedrives(source, keys) {
      const last = await lastRows(source, keys, {
        span: PAGE,
        filter: REDRIVEN_OR_NEWER,
        select: ["status", "version"],
      });
      const known = [...last].filter(([, { row }]) => !isNewer(row.columns));
      return new Map(
        known.flatMap(([name, { row, redrive }]) =>
          readable([row], ({ columns }) => [name, { redrive, status: decoded(REDRIVEN, columns).status }] as const),
        ),
      );
    },
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
