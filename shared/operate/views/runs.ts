import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import { WrongQueryError } from "../../errors.ts";
import { knownSources } from "../../observe/open-runs.ts";
import { PLACES, type Place } from "../../ports/run-table.ts";
import { CLOSED_STATUSES, type ClosedRun, type ClosedStatus, type OpenStatus, type Run } from "../../run/run.ts";
import { type Source, sourceKey, sourceName } from "../../run/source.ts";
import { sourcesNamed } from "../run-named.ts";
import { type Given, newestFirst } from "./closed-newest.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import { asListed, type RunListed } from "./listed.ts";
import { MOST_SCANNED, ROWS_AT_ONCE } from "./scanning.ts";

/** Which runs are wanted; by default all that are open. */
export interface RunsWanted {
  /** Open by default, unless the status is that of a closed run, or an exit code is wanted. */
  readonly which?: "open" | "closed";
  readonly module?: string;
  readonly status?: OpenStatus | ClosedStatus;
  /** As run ids begin with it. */
  readonly source?: string;
  /** With which the last attempt ended, of runs that are over. */
  readonly exitCode?: number;
  /** Only messages that were enqueued from then on. Of closed runs, by default those of the last 24 hours. */
  readonly since?: EpochMs;
  /** Only messages that were enqueued before. */
  readonly until?: EpochMs;
}

/** A page of runs. */
export interface RunsPage {
  readonly runs: readonly RunListed[];
  /** How many rows were read for it. A filter that has no key reads more than it shows. */
  readonly scanned: number;
  /** Names where the next page begins. Undefined after the last one. */
  readonly next: string | undefined;
}

const DAY_MS = 24 * 3_600_000;
/** Closed runs are looked for on so many days at most. */
const MOST_DAYS = 400;

/**
 * Lists runs, page by page. Open ones come source by source: those at work, in line, waiting for their time and held,
 * in the order of their rows. Closed ones come by the day on which their messages were enqueued, and in each day source
 * by source, the newest first. A page has at most `limit` runs. It has fewer, and yet a next page, if it has read 5,000
 * rows: by module, only the line and what is held have a key, and nothing has one by status or exit code. Costs the list
 * of sources, and a request for each place or day of each source and for each 1,000 rows; some twenty of one key to find
 * where a day ends, and as many for where the first one begins; and eight to say why runs wait. Rejects with a
 * WrongQueryError if no source has the name, if the days are more than 400, or if `from` is no place that a page has
 * named.
 */
export async function listRuns(
  deps: LookDependencies,
  asked: RunsWanted,
  { limit, from }: { readonly limit: number; readonly from?: string | undefined },
): Promise<RunsPage> {
  const isClosed = isForClosed(asked);
  const wanted = isClosed ? { since: (asked.until ?? deps.clock.now()) - DAY_MS, ...asked } : asked;
  const sources = await sourcesOf(deps, wanted);
  const stops = isClosed ? closedStops(deps, wanted, sources) : openStops(deps, wanted, sources);
  const start = from === undefined ? undefined : readPlace(from);
  const begin = start === undefined ? 0 : stops.findIndex(({ name }) => name === start.stop);
  if (begin < 0) throw new WrongQueryError("the page begins at a source, place or day that these filters leave out");
  const runs: (Run | ClosedRun)[] = [];
  const page = async (next: string | undefined): Promise<RunsPage> => ({
    runs: await asListed(deps, runs),
    scanned,
    next,
  });
  let scanned = 0;
  let after = start?.row;
  for (const stop of stops.slice(begin)) {
    // If few rows of those that are read are wanted, more are read at a time.
    for (let size = limit - runs.length + 1; ; size = stop.isFiltered ? size * 2 : limit - runs.length + 1) {
      const most = Math.min(ROWS_AT_ONCE, size, Math.max(1, MOST_SCANNED - scanned));
      const rows = await stop.read(most, after);
      for (const { run, row } of rows) {
        if (runs.length === limit) return page(writeCursor(stop.name, after ?? null));
        scanned += 1;
        after = row;
        if (isWanted(run, wanted)) runs.push(run);
      }
      if (rows.length < most) break;
      if (scanned >= MOST_SCANNED) return page(writeCursor(stop.name, after ?? null));
    }
    after = undefined;
  }
  return page(undefined);
}

/** Rows of one range, in the order in which they are read. */
interface Stop {
  readonly name: string;
  /** Whether rows are read that are not wanted. */
  readonly isFiltered: boolean;
  readonly read: (limit: number, after: string | undefined) => Promise<readonly RunAt[]>;
}

interface RunAt {
  readonly run: Run | ClosedRun;
  /** Names its row for the next read. */
  readonly row: string;
}

/** Whether closed runs are wanted, and not open ones. */
export function isForClosed({ which, status, exitCode }: RunsWanted): boolean {
  if (which !== undefined) return which === "closed";
  return exitCode !== undefined || CLOSED_STATUSES.some((closed) => closed === status);
}

async function sourcesOf(deps: LookDependencies, { source }: RunsWanted): Promise<Source[]> {
  if (source === undefined) return knownSources(deps);
  const named = await sourcesNamed(deps, source);
  if (named.length > 0) return named;
  const known = (await knownSources(deps)).map(sourceName).join(", ");
  throw new WrongQueryError(`no source is named ${source}: the known ones are ${known === "" ? "none" : known}`);
}

function openStops(
  { table }: LookDependencies,
  { module, status, exitCode, since, until }: RunsWanted,
  sources: readonly Source[],
): Stop[] {
  const places = PLACES.filter((place) => status === undefined || mayBeAt(place, status));
  return sources.flatMap((source) =>
    places.map((place): Stop => {
      const hasKey = place === "line" || place === "held";
      const isByModule = module !== undefined && !hasKey;
      return {
        name: `${place} ${sourceKey(source)}`,
        isFiltered:
          isByModule ||
          [exitCode, since, until].some((filter) => filter !== undefined) ||
          (status !== undefined && place === "work"),
        read: (limit, after) => {
          if (module !== undefined && place === "line") return table.line(source, module, limit, after);
          if (module !== undefined && place === "held") return table.held(source, module, limit, after);
          return table.inPlace(source, place, limit, after);
        },
      };
    }),
  );
}

function mayBeAt(place: Place, status: OpenStatus | ClosedStatus): boolean {
  if (status === "waiting") return place === "line" || place === "later";
  return status === "held" ? place === "held" : place === "work";
}

function closedStops(
  deps: LookDependencies,
  { module, status, exitCode, since = 0, until = Number.POSITIVE_INFINITY }: RunsWanted,
  sources: readonly Source[],
): Stop[] {
  const first = Math.floor(since / DAY_MS);
  const last = Math.floor(Math.min(deps.clock.now(), until) / DAY_MS);
  const days = last - first + 1;
  if (days > MOST_DAYS)
    throw new WrongQueryError(`closed runs are looked for on ${MOST_DAYS} days at most, and not on ${days}`);
  return Array.from({ length: Math.max(0, days) }, (_, index) => (last - index) * DAY_MS).flatMap((day) =>
    sources.map((source): Stop => {
      const read = newestFirst(deps, { source, day, dayMs: DAY_MS, since, until });
      return {
        name: `${new Date(day).toISOString().slice(0, 10)} ${sourceKey(source)}`,
        // The first day and the last one have others, too.
        isFiltered:
          [module, status, exitCode].some((filter) => filter !== undefined) || day < since || day + DAY_MS > until,
        async read(limit, after) {
          let last = after === undefined ? undefined : readGiven(after);
          return (await read(limit, last)).map((run) => {
            const { sequenceNumber } = run;
            last = { sequenceNumber, runs: last?.sequenceNumber === sequenceNumber ? last.runs + 1 : 1 };
            return { run, row: `${sequenceNumber}|${last.runs}` };
          });
        },
      };
    }),
  );
}

/** Reads how far a page came in a day. */
function readGiven(row: string): Given {
  const [sequenceNumber = 0, runs = 0] = row.split("|").map(Number);
  return { sequenceNumber, runs };
}

/** Whether a run is wanted, as far as its row says. */
export function isWanted(
  run: Run | ClosedRun,
  { module, status, exitCode, since, until }: Omit<RunsWanted, "which" | "source">,
): boolean {
  return (
    (module === undefined || run.module === module) &&
    (status === undefined || run.status === status) &&
    (exitCode === undefined || run.verdict?.exitCode === exitCode) &&
    (since === undefined || run.enqueuedAt >= since) &&
    (until === undefined || run.enqueuedAt < until)
  );
}

function readPlace(cursor: string): { readonly stop: string; readonly row: string | undefined } {
  const [stop, row] = readCursor(cursor);
  return { stop: String(stop), row: typeof row === "string" ? row : undefined };
}
