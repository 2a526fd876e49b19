import type { Looking } from "../dependencies.ts";
import type { RunsAtWork, StoredRun } from "../ports/run-table.ts";
import { type Source, sourceKey } from "../run/source.ts";

/** So many runs that have come due are read at a time. The others are read in the next tick. */
const MOST_DUE = 1_000;

/** What a tick reads of one source's open runs. However many of them wait, it reads no more. */
export interface SourceRuns {
  readonly source: Source;
  /** All runs that are at work, oldest first. */
  readonly atWork: readonly StoredRun[];
  /** The waiting runs whose time has come and that are in no line yet. */
  readonly due: readonly StoredRun[];
  /** The first run of each module's line. */
  readonly heads: readonly StoredRun[];
  /** The first held run of each module, and of those that no module takes. */
  readonly held: readonly StoredRun[];
  /** Whether there are runs whose time has not come. */
  readonly othersWait: boolean;
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

/** Lists the same in the order of their keys, in which lists go from source to source. */
export async function sourcesInOrder(deps: Looking): Promise<Source[]> {
  return (await knownSources(deps)).toSorted((a, b) => (sourceKey(a) < sourceKey(b) ? -1 : 1));
}

/** What was read of the sources a moment ago, so that it is not read again. */
export interface ReadBefore {
  readonly sources: readonly Source[];
  /** Whether any run was held. If not, what is held is not looked at. */
  readonly anyHeld: boolean;
  /** The sources that had no run, by their keys. One look tells whether that is still so. */
  readonly idle: ReadonlySet<string>;
}

/** Sums up what was read of the sources. */
export function readBefore(all: readonly SourceRuns[]): ReadBefore {
  return {
    sources: all.map(({ source }) => source),
    anyHeld: all.some(({ held }) => held.length > 0),
    idle: new Set(all.filter((read) => !hasRuns(read)).map(({ source }) => sourceKey(source))),
  };
}

/** Whether a source has any open run, due or not. */
export function hasRuns({ atWork, due, heads, held, othersWait }: SourceRuns): boolean {
  return atWork.length + due.length + heads.length + held.length > 0 || othersWait;
}

/** Reads what a tick has to know of every known source. Those at work are read by `readAtWork`. */
export async function readOpenRuns(
  deps: Looking,
  readAtWork: (source: Source) => Promise<RunsAtWork>,
  before?: ReadBefore,
): Promise<SourceRuns[]> {
  const all: SourceRuns[] = [];
  for (const source of before?.sources ?? (await knownSources(deps))) {
    const isIdle = before?.idle.has(sourceKey(source)) === true && !(await deps.table.anyReady(source));
    const { runs: atWork } = isIdle ? NONE : await readAtWork(source);
    const { due, others } = await deps.table.later(source, MOST_DUE);
    const heads = isIdle ? [] : await deps.table.heads(source);
    const held = before?.anyHeld === false ? [] : await deps.table.heldHeads(source);
    all.push({ source, atWork, due, heads, held, othersWait: others });
  }
  return all;
}

const NONE: Pick<RunsAtWork, "runs"> = { runs: [] };
