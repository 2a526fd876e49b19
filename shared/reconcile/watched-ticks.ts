import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, isFresh, type Reading } from "../clock.ts";
import { errorText, UnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { JobCluster } from "../ports/job-cluster.ts";
import type { Reconcile } from "./reconcile.ts";
import type { Wakes } from "./wakes.ts";

/** An invocation watches no longer than this, because a host that shuts down waits for it. */
const LONGEST_WATCH_MS = 20_000;

/** So long before the next tick is due the watch ends, because the host never runs two at once. */
const REST_BEFORE_NEXT_MS = 1_000;

/** Of ticks that follow each other faster, this share of the time between two of them. */
const REST_SHARE = 0.25;

/**
 * So much of that rest a watch may use up. The API server counts whole seconds, and a watch that it ends leaves the
 * connection to the next one.
 */
const LATE_SHARE = 0.5;

/** How many ticks make lists once, if the watch works. */
const TICKS_PER_LIST = 6;

/** Nor are lists older than this, if ticks are rare. */
const LISTS_LAST_MS = 55_000;

/** A watch is asked for at least this long, because the API server counts whole seconds. */
const SHORTEST_WATCH_S = 1;

/** A watch of this length is heard of, at the latest when the API server ends it. */
const SURELY_HEARD_MS = 3_000;

interface WatchDeps {
  readonly cluster: Pick<JobCluster, "watchJobs">;
  readonly clock: Clock;
  /** When the timer is due next after a time, by this machine's clock; undefined if never. */
  readonly nextTickAfter: (wallMs: number) => number | undefined;
  /** Aborted if the process is about to end. */
  readonly stopping: AbortSignal;
}

/**
 * Makes ticks that watch the Jobs, so that the end of a Job is handled at once and not by the next tick.
 *
 * An invocation of the timer is a tick, with the watch beside it from where the last one ended; and then it goes on
 * watching until shortly before the next tick is due. While the watch works, five of six ticks are light. The next tick
 * lists everything if the watch failed, was never heard of, or told of what only a list can settle. So without the right
 * to watch, or behind a proxy that breaks watches, each tick lists.
 */
export function makeWatchedTicks(
  { cluster, clock, nextTickAfter, stopping }: WatchDeps,
  reconcile: Reconcile,
  openWakes: (log: Log) => Wakes,
): (log: Log) => Promise<boolean> {
  // These are hints for the next tick, not state: a replica that forgets them lists.
  /** Where the next watch goes on. */
  let version: string | undefined;
  let listedAt: Reading | undefined;
  let ticksSinceList = 0;
  let isTrusted = false;
  /** How many watches failed in a row. */
  let failures = 0;

  /** How long an invocation watches, and how much later its watch may end. */
  function windowFrom(wallMs: number): { readonly ms: number; readonly lateMs: number } {
    const next = nextTickAfter(wallMs) ?? wallMs + LONGEST_WATCH_MS + REST_BEFORE_NEXT_MS;
    const restMs = Math.min(REST_BEFORE_NEXT_MS, (next - wallMs) * REST_SHARE);
    const lateMs = restMs * LATE_SHARE;
    return { ms: Math.min(LONGEST_WATCH_MS - lateMs, next - wallMs - restMs), lateMs };
  }

  /** Says once that the watch does not work, and once that it works again. One that was cut once is not worth a line. */
  function noteFailure(error: unknown, log: Log): void {
    failures += 1;
    if (failures !== 2) return;
    log.warn("the watch on the Jobs does not work, so each tick lists them", {
      why: error === undefined ? "the API server did not answer on it" : errorText(error),
    });
  }

  function noteSuccess(log: Log): void {
    if (failures >= 2) log.info("the watch on the Jobs works again");
    failures = 0;
  }

  return async function tickAndWatch(log) {
    const startedAt = clock.read();
    const window = windowFrom(startedAt.wallMs);
    const isLong = window.ms >= SURELY_HEARD_MS;
    /** How long a watch may still go on, if the server ends it. */
    const leftMs = () => startedAt.monotonicMs + window.ms + window.lateMs - clock.read().monotonicMs;
    const isLight =
      isTrusted &&
      ticksSinceList < TICKS_PER_LIST - 1 &&
      listedAt !== undefined &&
      isFresh(listedAt, clock, LISTS_LAST_MS);
    // What is left at the end is too short for a watch that the server ends.
    const mayBegin = () => leftMs() > 2 * window.lateMs;
    const versionBefore = version;
    const wakes = openWakes(log);
    const over = new AbortController();
    const stop = () => over.abort();
    stopping.addEventListener("abort", stop);
    if (stopping.aborted) stop();
    let watching: Promise<void> | undefined;
    let isHeard = false;
    let failure: unknown;

    async function watch(): Promise<void> {
      while (!over.signal.aborted && version !== undefined && mayBegin()) {
        const openedAtMs = clock.read().monotonicMs;
        const seconds = Math.max(SHORTEST_WATCH_S, Math.floor(leftMs() / 1000));
        for await (const news of cluster.watchJobs(version, { seconds, signal: over.signal })) {
          isHeard = true;
          if (news.version !== "") version = news.version;
          if (news.job) wakes.wake(news.job);
        }
        if (over.signal.aborted) return;
        // The server ends a watch in its time. A proxy that ends it sooner would be asked again and again.
        const lastedMs = clock.read().monotonicMs - openedAtMs;
        if (lastedMs < seconds * 500)
          throw new UnavailableError(`the watch was to last ${seconds} s, and ended after ${Math.round(lastedMs)} ms`);
        isHeard = true;
      }
    }

    function follow(since: string | undefined): void {
      version = since;
      if (mayBegin())
        watching ??= watch().catch((error: unknown) => {
          failure = error;
        });
    }

    let isOfUse = false;
    try {
      if (isTrusted) follow(version);
      isOfUse = await reconcile(log, {
        isLight,
        onListed(listed) {
          listedAt = startedAt;
          ticksSinceList = -1;
          if (watching && isOlder(listed, versionBefore)) {
            // The watch would hear nothing until the versions are where they were.
            failure = new UnavailableError("the API server's versions went back: it was restored from a backup");
            over.abort();
          } else if (!watching || failure !== undefined) {
            watching = undefined;
            failure = undefined;
            // What the broken watch told says nothing of the next one.
            isHeard = false;
            follow(listed === "" ? undefined : listed);
          }
        },
      });
      if (isOfUse && watching) {
        // It rejects when the watch is over.
        const untilEnd = sleep(Math.max(0, leftMs()), undefined, { signal: over.signal }).catch(() => {});
        await Promise.race([watching, untilEnd]);
      }
    } finally {
      over.abort();
      stopping.removeEventListener("abort", stop);
      await watching;
      const needsList = await wakes.close();
      ticksSinceList += 1;
      isTrusted = isOfUse && isHeard && failure === undefined && !needsList;
      if (isHeard && failure === undefined) noteSuccess(log);
      else if (watching && isOfUse && !stopping.aborted && (failure !== undefined || isLong)) noteFailure(failure, log);
    }
    return isOfUse;
  };
}

/** Whether a version is older than one that was read before. Versions are numbers by now, and else can't be compared. */
function isOlder(version: string, before: string | undefined): boolean {
  return /^\d+$/.test(version) && /^\d+$/.test(before ?? "") && BigInt(version) < BigInt(before ?? "");
}
