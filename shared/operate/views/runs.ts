import type { EpochMs } from "../../clock.ts";
import type { LookDependencies } from "../../dependencies.ts";
import { knownSources } from "../../observe/open-runs.ts";
import { PLACES, type Place } from "../../ports/run-table.ts";
import {
  CLOSED_STATUSES,
  type ClosedRun,
  type ClosedStatus,
  type OpenStatus,
  type Run,
  type RunKey,
} from "../../run/run.ts";
import { type Source, sourceKey, sourceName } from "../../run/source.ts";
import { sourcesNamed } from "../run-named.ts";
import { numberBefore } from "./closed-since.ts";

/** Which runs are wanted; by default all that are open. */
export interface RunsWanted {
  /** Open by default, unless the status is that of a closed run. */
  readonly which?: "open" | "closed";
  readonly module?: string;
  readonly status?: OpenStatus | ClosedStatus;
  /** As run ids begin with it. */
  readonly source?: string;
  /** Only messages that were enqueued from then on. Of closed runs, by default those of the last 24 hours. */
  readonly since?: EpochMs;
}

/** A page of runs. */
export interface RunsPage {
  readonly runs: readonly (Run | ClosedRun)[];
  /** How many rows were read for it. A filter that has no key reads more than it shows. */
  readonly scanned: number;
  /** Names where the next page begins. Undefined after the last one. */
  readonly next: string | undefined;
}

/** Rows that are read for one page at most, if few of them are wanted. */
const MOST_SCANNED = 5_000;
const ROWS_AT_ONCE = 1_000;
const DAY_MS = 24 * 3_600_000;
/** Closed runs are looked for on so many days at most. */
const MOST_DAYS = 400;

/**
 * Lists runs, page by page. Open ones come source by source: those at work, in line, waiting for their time and held, in
 * the order of their rows. Closed ones come by the day on which their messages were enqueued, the newest last. A page has
 * at most `limit` runs. It has fewer, and yet a next page, if it has read 5,000 rows: by module, only the line and what is
 * held have a key, and nothing has one by status. Costs the list of sources, and a request for each place or day of each
 * source and for each 1,000 rows, and some thirty to find where to begin in the first day. Rejects with a RangeError if
 * no source has the name, if the days are more than 400, or if `from` is no place that a page has named.
 */
export async function listRuns(
  deps: LookDependencies,
  asked: RunsWanted,
  { limit, from }: { readonly limit: number; readonly from?: string | undefined },
): Promise<RunsPage> {
  const isClosed = isForClosed(asked);
  const wanted = isClosed ? { since: deps.clock.now() - DAY_MS, ...asked } : asked;
  const sources = await sourcesOf(deps, wanted);
  const stops = isClosed ? closedStops(deps, wanted, sources) : openStops(deps, wanted, sources);
  const start = from === undefined ? undefined : readCursor(from);
  const begin = start === undefined ? 0 : stops.findIndex(({ name }) => name === start.stop);
  if (begin < 0) throw new RangeError("the page begins at a source, place or day that these filters leave out");
  const runs: (Run | ClosedRun)[] = [];
  let scanned = 0;
  let after = start?.row;
  for (const stop of stops.slice(begin)) {
    // If few rows of those that are read are wanted, more are read at a time.
    for (let size = limit - runs.length + 1; ; size = stop.isFiltered ? size * 2 : limit - runs.length + 1) {
      const most = Math.min(ROWS_AT_ONCE, size, Math.max(1, MOST_SCANNED - scanned));
      const page = await stop.read(most, after);
      for (const { run, row } of page) {
        if (runs.length === limit) return { runs, scanned, next: writeCursor(stop.name, after) };
        scanned += 1;
        after = row;
        if (isWanted(run, wanted)) runs.push(run);
      }
      if (page.length < most) break;
      if (scanned >= MOST_SCANNED) return { runs, scanned, next: writeCursor(stop.name, after) };
    }
    after = undefined;
  }
  return { runs, scanned, next: undefined };
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

function isForClosed({ which, status }: RunsWanted): boolean {
  return which === undefined ? CLOSED_STATUSES.some((closed) => closed === status) : which === "closed";
}

async function sourcesOf(deps: LookDependencies, { source }: RunsWanted): Promise<Source[]> {
  if (source === undefined) return knownSources(deps);
  const named = await sourcesNamed(deps, source);
  if (named.length > 0) return named;
  const known = (await knownSources(deps)).map(sourceName).join(", ");
  throw new RangeError(`no source is named ${source}: the known ones are ${known === "" ? "none" : known}`);
}

function openStops(
  { table }: LookDependencies,
  { module, status, since }: RunsWanted,
  sources: readonly Source[],
): Stop[] {
  const places = PLACES.filter((place) => status === undefined || mayBeAt(place, status));
  return sources.flatMap((source) =>
    places.map((place): Stop => {
      const hasKey = place === "line" || place === "held";
      const isByModule = module !== undefined && !hasKey;
      return {
        name: `${place} ${sourceKey(source)}`,
        isFiltered: isByModule || since !== undefined || (status !== undefined && place === "work"),
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
  { module, status, since = 0 }: RunsWanted,
  sources: readonly Source[],
): Stop[] {
  const now = deps.clock.now();
  const first = Math.floor(since / DAY_MS);
  const days = Math.floor(now / DAY_MS) - first + 1;
  if (days > MOST_DAYS)
    throw new RangeError(`closed runs are looked for on ${MOST_DAYS} days at most, and not on ${days}`);
  return sources.flatMap((source) =>
    Array.from({ length: Math.max(0, days) }, (_, index): Stop => {
      const day = (first + index) * DAY_MS;
      return {
        name: `${new Date(day).toISOString().slice(0, 10)} ${sourceKey(source)}`,
        // The first day began before.
        isFiltered: module !== undefined || status !== undefined || index === 0,
        async read(limit, after) {
          const key =
            after === undefined && index === 0 ? await entryOf(deps, source, day, since) : keyIn(after, source);
          const found = await deps.table.closedRuns(source, day, limit, key);
          return found.map((run) => ({ run, row: `${run.sequenceNumber}|${run.enqueuedAt}` }));
        },
      };
    }),
  );
}

/** Reads the place in a day that a page has named. */
function keyIn(row: string | undefined, source: Source): RunKey | undefined {
  const [sequenceNumber, enqueuedAt] = row?.split("|").map(Number) ?? [];
  return sequenceNumber === undefined || enqueuedAt === undefined ? undefined : { source, sequenceNumber, enqueuedAt };
}

/** Finds where to begin in the first day, most of which may be too old. */
async function entryOf(
  deps: LookDependencies,
  source: Source,
  day: EpochMs,
  since: EpochMs,
): Promise<RunKey | undefined> {
  const sequenceNumber = await numberBefore(deps, source, { day, dayMs: DAY_MS, since });
  return sequenceNumber === undefined ? undefined : { source, sequenceNumber, enqueuedAt: day + DAY_MS - 1 };
}

function isWanted(run: Run | ClosedRun, { module, status, since }: RunsWanted): boolean {
  return (
    (module === undefined || run.module === module) &&
    (status === undefined || run.status === status) &&
    (since === undefined || run.enqueuedAt >= since)
  );
}

function writeCursor(stop: string, row: string | undefined): string {
  return Buffer.from(JSON.stringify([stop, row ?? null])).toString("base64url");
}

function readCursor(cursor: string): { readonly stop: string; readonly row: string | undefined } {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    parts = undefined;
  }
  if (!Array.isArray(parts)) throw new RangeError("no page has named this place as its next");
  const [stop, row]: readonly unknown[] = parts;
  return { stop: String(stop), row: typeof row === "string" ? row : undefined };
}
