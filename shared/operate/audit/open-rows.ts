import type { EpochMs } from "../../clock.ts";
import type { Looking } from "../../dependencies.ts";
import { knownSources } from "../../observe/open-runs.ts";
import type { MessagePlace } from "../../ports/message-broker.ts";
import type { Place, RunTable, StoredRun } from "../../ports/run-table.ts";
import { keyOf, type OpenStatus, runId } from "../../run/run.ts";
import type { Source } from "../../run/source.ts";
import { sideBySide } from "./side-by-side.ts";

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
/** Sources whose rows are read at once. Of each, the four places of its runs are. */
const CONCURRENCY = 2;
const WAITING: readonly Place[] = ["line", "later", "held"];

type Reading = Looking & { readonly table: Pick<RunTable, "inPlace"> };

/** Reads every open run of an instance, page by page. A run that moves meanwhile may be missed. */
export async function readOpenRows(deps: Reading, tell: (more: number) => void): Promise<SourceRows[]> {
  return sideBySide(await knownSources(deps), CONCURRENCY, (source) => readSource(deps, source, tell));
}

async function readSource(deps: Reading, source: Source, tell: (more: number) => void): Promise<SourceRows> {
  let atWork: readonly StoredRun[] = [];
  const places = [
    async () => {
      ({ runs: atWork } = await deps.table.atWork(source));
      tell(atWork.length);
      return atWork.map(rowOf);
    },
    ...WAITING.map((place) => () => readPlace(deps, source, place, tell)),
  ];
  const rows = await sideBySide(places, places.length, (read) => read());
  return { source, atWork, open: new Map(rows.flat().map((row) => [runId(row.key), row])) };
}

async function readPlace(
  { table }: Reading,
  source: Source,
  place: Place,
  tell: (more: number) => void,
): Promise<OpenRow[]> {
  const rows: OpenRow[] = [];
  for (let page: readonly StoredRun[] | undefined; page === undefined || page.length === PAGE; ) {
    page = await table.inPlace(source, place, PAGE, page?.at(-1)?.row);
    rows.push(...page.map(rowOf));
    tell(page.length);
  }
  return rows;
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
