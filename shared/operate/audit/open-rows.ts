import type { EpochMs } from "../../clock.ts";
import type { Looking } from "../../dependencies.ts";
import { knownSources } from "../../observe/open-runs.ts";
import type { MessagePlace } from "../../ports/message-broker.ts";
import type { Place, RunTable, StoredRun } from "../../ports/run-table.ts";
import { keyOf, type OpenStatus, runId } from "../../run/run.ts";
import type { Source } from "../../run/source.ts";

/** What is kept of an open run. Very many may wait. */
export interface OpenRow {
  /** With where its message lies. */
  readonly key: MessagePlace;
  readonly status: OpenStatus;
  readonly module: string;
  readonly acceptedAt: EpochMs;
  /** Names its row, for the table alone. */
  readonly row: string;
}

/** The open runs of one source. */
export interface SourceRows {
  readonly source: Source;
  readonly atWork: readonly StoredRun[];
  /** All of them, by their ids. */
  readonly open: ReadonlyMap<string, OpenRow>;
}

/** Rows that are read at a time. */
const PAGE = 1_000;
const WAITING: readonly Place[] = ["line", "later", "held"];

/** Reads every open run of an instance, page by page. A run that moves meanwhile may be missed. */
export async function readOpenRows(
  deps: Looking & { readonly table: Pick<RunTable, "inPlace"> },
  tell: (source: Source, more: number) => void,
): Promise<SourceRows[]> {
  const all: SourceRows[] = [];
  for (const source of await knownSources(deps)) {
    const { runs: atWork } = await deps.table.atWork(source);
    tell(source, atWork.length);
    const open = new Map(atWork.map((stored) => [runId(stored.run), rowOf(stored)]));
    for (const place of WAITING)
      for (let page: readonly StoredRun[] | undefined; page === undefined || page.length === PAGE; ) {
        page = await deps.table.inPlace(source, place, PAGE, page?.at(-1)?.row);
        for (const stored of page) open.set(runId(stored.run), rowOf(stored));
        tell(source, page.length);
      }
    all.push({ source, atWork, open });
  }
  return all;
}

function rowOf({ run, row }: StoredRun): OpenRow {
  const { status, module, acceptedAt, letterNumber, letterEnqueuedAt } = run;
  const place = {
    ...keyOf(run),
    ...(letterNumber === undefined ? {} : { letterNumber }),
    ...(letterEnqueuedAt === undefined ? {} : { letterEnqueuedAt }),
  };
  return { key: place, status, module, acceptedAt, row };
}
