import type { Looking } from "../dependencies.ts";
import type { StoredRun } from "../ports/run-table.ts";
import { type Source, sourceKey } from "../run/source.ts";

/** One source's open runs, as a tick reads them, oldest first. */
export interface SourceRuns {
  readonly source: Source;
  readonly runs: readonly StoredRun[];
}

/**
 * Lists every source that the modules name or the table knows. The runs of a removed module are followed too, and a
 * table that was restored empty has messages to report.
 */
export async function knownSources({ instanceTable, modules }: Looking): Promise<Source[]> {
  const named = [...modules.values()].map(({ source }) => source);
  const sources = new Map([...(await instanceTable.sources()), ...named].map((source) => [sourceKey(source), source]));
  return [...sources.values()];
}

/** Reads the open runs of every known source, each by `readRuns`. */
export async function readOpenRuns(
  deps: Looking,
  readRuns: (source: Source) => Promise<StoredRun[]>,
): Promise<SourceRuns[]> {
  const all: SourceRuns[] = [];
  for (const source of await knownSources(deps)) all.push({ source, runs: await readRuns(source) });
  return all;
}
