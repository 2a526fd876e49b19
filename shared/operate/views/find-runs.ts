import type { LookDependencies } from "../../dependencies.ts";
import { knownSources, sourcesInOrder } from "../../observe/open-runs.ts";
import { type ClosedRun, type Run, type RunKey, runId } from "../../run/run.ts";
import { type Source, sourceKey } from "../../run/source.ts";
import { runsNamed } from "../run-named.ts";
import { neverNamed, readCursor, writeCursor } from "./cursor.ts";
import { ROWS_AT_ONCE } from "./scanning.ts";

/** What a person may know of a run: its own id, or an id that the sender gave its message. */
type RunIdKind = "run id" | "message id" | "correlation id";

/** The runs that an id may mean. */
export interface RunsFound {
  readonly by: RunIdKind;
  /** The newest of each source last, unless `isCut`. */
  readonly keys: readonly RunKey[];
  /** Whether there are others. */
  readonly isMore: boolean;
  /** Whether there are so many that they were not all looked at, so that the newest may be missing. */
  readonly isCut?: true;
}

/** So many runs of each source are found, which are the newest, and so many are on a page of a search. */
const MOST_FOUND = 100;
/** So many pages of rows are read of a source to find its newest. */
const MOST_PAGES = 20;
const BY_MESSAGE = ["message id", "correlation id"] as const;

/**
 * Finds the runs that an id may mean: one whose own id it is, such as `thumbnails:42:1732400000000`; or else those whose
 * messages have it as their id; or else those whose messages have it as their correlation id. Undefined if there are
 * none. Senders' ids need not be unique, and runs that a release began before it noted them are found by their own id
 * alone. Costs the list of sources, and up to three requests to the table for a run id, and for each source and each other
 * kind one, and one for each 1,000 runs, 20 at most.
 */
export async function findRuns(deps: LookDependencies, id: string): Promise<RunsFound | undefined> {
  const named = await runsOfName(deps, id);
  if (named.length > 0) return { by: "run id", keys: named, isMore: false };
  for (const by of BY_MESSAGE) {
    const sources = await sourcesInOrder(deps);
    const found = await Promise.all(sources.map((source) => newestBy(deps, by, id, source)));
    const keys = found.flatMap((newest) => newest.keys);
    if (keys.length === 0) continue;
    const isCut = found.some((newest) => newest.isCut);
    return { by, keys, isMore: found.some(({ isMore }) => isMore), ...(isCut ? { isCut } : {}) };
  }
  return undefined;
}

/** Finds the newest of a source by an id of their messages. They come last, so that all others are read before. */
async function newestBy(
  deps: LookDependencies,
  by: (typeof BY_MESSAGE)[number],
  id: string,
  source: Source,
): Promise<Omit<RunsFound, "by">> {
  let keys: RunKey[] = [];
  let isMore = false;
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    // A page may have fewer than it could, because rows of a newer release are left out.
    const page = await pageBy(deps, by, id, { source, limit: ROWS_AT_ONCE, after: keys.at(-1) });
    if (page.length === 0) return { keys, isMore };
    const known = [...keys, ...page];
    isMore ||= known.length > MOST_FOUND;
    keys = known.slice(-MOST_FOUND);
  }
  return { keys, isMore: true, isCut: true };
}

/** A run that was found. What its row says is missing if a newer release wrote it, or if it went meanwhile. */
export type RunFound = RunKey & { readonly id: string } & Partial<
    Pick<Run | ClosedRun, "status" | "module" | "messageId">
  >;

/** A page of the runs that an id may mean. */
export interface SearchPage {
  /** Undefined if nothing was found. */
  readonly by?: RunIdKind;
  /** Source by source, the newest of each last. */
  readonly runs: readonly RunFound[];
  /** Names where the next page begins. Undefined after the last one. */
  readonly next: string | undefined;
}

/**
 * Finds runs as `findRuns` does, page by page, and says of each what a list of them shows. Costs one more request for
 * each run. Rejects with a WrongQueryError if `from` is no place that a page has named.
 */
export async function searchRuns(deps: LookDependencies, id: string, from?: string): Promise<SearchPage> {
  const place = from === undefined ? undefined : await readPlace(deps, from);
  const named = place ? [] : await runsOfName(deps, id);
  if (named.length > 0) return { by: "run id", runs: await rowsOf(deps, named), next: undefined };
  for (const by of place ? [place.by] : BY_MESSAGE) {
    const keys = (await foundBy(deps, by, id, place?.after)).flat();
    const page = keys.slice(0, MOST_FOUND);
    const last = page.at(-1);
    if (last)
      return { by, runs: await rowsOf(deps, page), next: keys.length > MOST_FOUND ? placeAt(by, last) : undefined };
  }
  return { runs: [], next: undefined };
}

/** Finds the runs whose own id it is: of a queue and of a subscription that share a name. */
async function runsOfName(deps: LookDependencies, id: string): Promise<RunKey[]> {
  const named: RunKey[] = [];
  for (const key of await runsNamed(deps, id)) if ((await deps.table.find(key)).kind !== "none") named.push(key);
  return named;
}

/** Finds runs by an id of their messages, in each source that has any one more than a page takes at most. */
async function foundBy(
  deps: LookDependencies,
  by: (typeof BY_MESSAGE)[number],
  id: string,
  after?: RunKey,
): Promise<RunKey[][]> {
  const place = after && sourceKey(after.source);
  const sources = (await sourcesInOrder(deps)).filter((source) => place === undefined || sourceKey(source) >= place);
  const found = await Promise.all(
    sources.map((source) => {
      const last = sourceKey(source) === place ? after : undefined;
      return pageBy(deps, by, id, { source, limit: MOST_FOUND + 1, after: last });
    }),
  );
  return found.filter((keys) => keys.length > 0);
}

function pageBy(
  { table }: LookDependencies,
  by: (typeof BY_MESSAGE)[number],
  id: string,
  { source, limit, after }: { readonly source: Source; readonly limit: number; readonly after: RunKey | undefined },
): Promise<RunKey[]> {
  return by === "message id"
    ? table.withMessageId(source, id, limit, after)
    : table.withCorrelationId(source, id, limit, after);
}

function placeAt(by: string, { source, sequenceNumber, enqueuedAt, redrive }: RunKey): string {
  return writeCursor(by, sourceKey(source), sequenceNumber, enqueuedAt, redrive ?? null);
}

async function readPlace(deps: LookDependencies, cursor: string) {
  const [kind, place, sequenceNumber, enqueuedAt, redrive] = readCursor(cursor);
  const by = BY_MESSAGE.find((one) => one === kind);
  const source = (await knownSources(deps)).find((one) => sourceKey(one) === place);
  if (!by || !source || typeof sequenceNumber !== "number" || typeof enqueuedAt !== "number") throw neverNamed();
  return { by, after: { source, sequenceNumber, enqueuedAt, ...(typeof redrive === "number" ? { redrive } : {}) } };
}

function rowsOf(deps: LookDependencies, keys: readonly RunKey[]): Promise<RunFound[]> {
  return Promise.all(keys.map((key) => rowOf(deps, key)));
}

async function rowOf({ table }: LookDependencies, key: RunKey): Promise<RunFound> {
  const row = await table.find(key);
  const named = { id: runId(key), ...key };
  if (row.kind !== "open" && row.kind !== "closed") return named;
  const { status, module, messageId } = row.kind === "open" ? row.stored.run : row.run;
  return { ...named, status, module, messageId };
}
