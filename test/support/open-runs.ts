import type { RunTable, StoredRun } from "../../shared/ports/run-table.ts";
import type { RunKey } from "../../shared/run/run.ts";
import type { Source } from "../../shared/run/source.ts";

/** Lists the open runs of a source by sequence number: all but those whose time has not come. */
export async function openRuns(table: RunTable, source: Source): Promise<StoredRun[]> {
  const { runs } = await table.atWork(source);
  const { due } = await table.later(source, Number.POSITIVE_INFINITY);
  const lines = await Promise.all([
    ...(await table.heads(source)).map(({ run }) => table.line(source, run.module, Number.POSITIVE_INFINITY)),
    ...(await table.heldHeads(source)).map(({ run }) => table.held(source, run.module, Number.POSITIVE_INFINITY)),
  ]);
  return [...runs, ...due, ...lines.flat()].toSorted((a, b) => a.run.sequenceNumber - b.run.sequenceNumber);
}

/** Finds an open run. Rejects if it is not open. */
export async function openRun(table: Pick<RunTable, "find">, key: RunKey): Promise<StoredRun> {
  const found = await table.find(key);
  if (found.kind !== "open") throw new Error(`The run is ${found.kind}.`);
  return found.stored;
}
