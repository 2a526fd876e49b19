import { errorText, UnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { WatchLimits } from "../ports/job-cluster.ts";

/** Where a watch goes on. Undefined: a list has to say it. It is a hint and not state: a replica that forgets it lists. */
export interface WatchPlace {
  version: string | undefined;
}

/** The time that an invocation has for its watches. */
export interface WatchTime {
  /** How long a watch may still go on, if the server ends it. */
  readonly leftMs: () => number;
  /** Whether that is long enough to begin another one. */
  readonly mayBegin: () => boolean;
  readonly monotonicMs: () => number;
  /** Aborted if the time is over. */
  readonly over: AbortSignal;
}

/** A watch is asked for at least this long, because the API server counts whole seconds. */
const SHORTEST_WATCH_S = 1;

/**
 * Watches from a place on until the time is over, and keeps the place up to date. If the server ends a watch in its time,
 * the next one begins there. `hear` is called with each piece of news, and with none if the server ended a watch
 * properly. Rejects with an UnavailableError if the watch breaks.
 */
export async function watchOn<News extends { readonly version: string }>(
  place: WatchPlace,
  open: (since: string, limits: WatchLimits) => AsyncIterable<News>,
  { leftMs, mayBegin, monotonicMs, over }: WatchTime,
  hear: (news?: News) => void,
): Promise<void> {
  while (!over.aborted && place.version !== undefined && mayBegin()) {
    const openedAtMs = monotonicMs();
    const seconds = Math.max(SHORTEST_WATCH_S, Math.floor(leftMs() / 1000));
    for await (const news of open(place.version, { seconds, signal: over })) {
      if (news.version !== "") place.version = news.version;
      hear(news);
    }
    if (over.aborted) return;
    // The server ends a watch in its time. A proxy that ends it sooner would be asked again and again.
    const lastedMs = monotonicMs() - openedAtMs;
    if (lastedMs < seconds * 500)
      throw new UnavailableError(`the watch was to last ${seconds} s, and ended after ${Math.round(lastedMs)} ms`);
    hear();
  }
}

/** Says whether a watch works. One that broke once is not worth a line. */
export interface WatchNotes {
  failed(error: unknown, log: Log): void;
  worked(log: Log): void;
}

/** Makes the notes of a watch: each is said once, until the other is true. `lines`: what they say. */
export function makeWatchNotes(lines: { readonly failed: string; readonly worked: string }): WatchNotes {
  /** How many watches failed in a row. */
  let failures = 0;
  return {
    failed(error, log) {
      failures += 1;
      if (failures !== 2) return;
      const why = error === undefined ? "the API server did not answer on it" : errorText(error);
      log.warn(lines.failed, { why });
    },
    worked(log) {
      if (failures >= 2) log.info(lines.worked);
      failures = 0;
    },
  };
}
