import type { Looking } from "../dependencies.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { byAge, type Run, runId } from "../run/run.ts";
import type { Source } from "../run/source.ts";

/** So many runs that stand in no line are read, the first ones by due time, because age does not order them. */
const MOST_LATER = 1_000;

/**
 * Lists the open runs of a source whose messages have to be in it: the oldest `count` that have no verdict, whatever they
 * wait for. Those of redriven runs are in its dead letter queue. Rejects with an UnavailableError.
 */
export async function oldestRuns({ table }: Pick<Looking, "table">, source: Source, count: number): Promise<Run[]> {
  const { runs: atWork } = await table.atWork(source);
  const later = await table.allLater(source, MOST_LATER);
  const lines: StoredRun[] = [];
  for (const { run } of await table.heads(source)) lines.push(...(await table.line(source, run.module, count)));
  for (const { run } of await table.heldHeads(source)) lines.push(...(await table.held(source, run.module, count)));
  // A run that moves meanwhile may be in two lists.
  const all = new Map([...atWork, ...later, ...lines].map(({ run }) => [runId(run), run]));
  return [...all.values()]
    .filter(({ verdict, redrive }) => verdict === undefined && redrive === undefined)
    .toSorted(byAge)
    .slice(0, count);
}
