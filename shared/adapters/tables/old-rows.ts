import { type Clock, isFresh, type Reading } from "../../clock.ts";
import { ConflictError } from "../../errors.ts";
import { type RunKey, runId } from "../../run/run.ts";
import { type Source, sourceName } from "../../run/source.ts";
import { after, notedRow, OLD_ROWS, oldRow, openRowOf, sourcePartition } from "./keys.ts";
import type { ReadRows, Row, TableRows } from "./rows.ts";
import { readOpenRun, writeOpenRun } from "./run-entity.ts";
import { markStep } from "./run-steps.ts";

/** Rows that are read and moved at a time. */
const PAGE = 1_000;

/** How long a source counts as moved. */
const MOVED_FOR_MS = 10 * 60_000;

/**
 * Makes what moves the rows that a version before the first release wrote, `open|<number>`, to where they belong in the
 * layout of today. Each process does so for each source before it lists the source's runs, and looks again every ten
 * minutes: such a version must not run beside this one, but a release may be taken back and brought again while a
 * replica of it lives on. With `only`, it moves the row of one run.
 */
export function makeMoveOldRows({
  rows,
  instance,
  clock,
  readable,
}: {
  readonly rows: TableRows;
  readonly instance: string;
  readonly clock: Clock;
  readonly readable: ReadRows;
}) {
  const movedAt = new Map<string, Reading>();

  return async function moveOldRows(source: Source, { only }: { readonly only?: RunKey } = {}): Promise<void> {
    const partition = sourcePartition(instance, source);
    const doing = `moving the rows of ${sourceName(source)} to the layout of this release`;
    if (only) {
      const row = await rows.get(partition, oldRow(only.sequenceNumber), doing);
      if (row) await move(source, [row]);
      return;
    }
    const lookedAt = movedAt.get(partition);
    if (lookedAt && isFresh(lookedAt, clock, MOVED_FOR_MS)) return;
    const now = clock.read();
    let range = OLD_ROWS;
    for (;;) {
      const page = await rows.query(partition, range, { limit: PAGE }, doing);
      await move(source, page);
      const last = page.at(-1);
      if (!last || page.length < PAGE) break;
      range = after(last.rowKey, range);
    }
    movedAt.set(partition, now);
  };

  async function move(source: Source, page: readonly Row[]): Promise<void> {
    const runs = readable(page, (row) => ({ row, run: readOpenRun(source, row.columns) }));
    await Promise.all(
      runs.map(async ({ row: { partitionKey, rowKey: old, etag }, run }) => {
        const rowKey = openRowOf(run, clock.now());
        try {
          await rows.transact(
            [
              { kind: "create", row: { ...writeOpenRun(run), partitionKey, rowKey } },
              { kind: "delete", row: { partitionKey, rowKey: old }, etag },
              markStep(run, partitionKey, notedRow(rowKey)),
            ],
            `moving run ${runId(run)} to the layout of this release`,
          );
        } catch (error) {
          // Another replica moved it.
          if (!(error instanceof ConflictError)) throw error;
        }
      }),
    );
  }
}
