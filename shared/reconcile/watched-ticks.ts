import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, isFresh, type Reading } from "../clock.ts";
import { UnavailableError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { JobCluster } from "../ports/job-cluster.ts";
import type { Reconcile } from "./reconcile.ts";
import type { Wakes } from "./wakes.ts";
import { makeWatchNotes, type WatchPlace, type WatchTime, watchOn } from "./watch-on.ts";

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

/** A watch of this length is heard of, at the latest when the API server ends it. */
const SURELY_HEARD_MS = 3_000;

interface WatchDeps {
  readonly cluster: Pick<JobCluster, "watchJobs" | "watchPods">;
  readonly clock: Clock;
  /** When the timer is due next after a time, by this machine's clock; undefined if never. */
  readonly nextTickAfter: (wallMs: number) => number | undefined;
  /** Aborted if the process is about to end. */
  readonly stopping: AbortSignal;
  /** What else is done until the next tick, if there is anything. It never rejects, and ends soon if told so. */
  readonly beside: (log: Log, signal: AbortSignal) => Promise<void>;
}

/**
 * Makes ticks that watch the Jobs, so that the end of a Job is handled at once and not by the next tick. They watch the
 * pods that succeed, too, because the cluster says so up to two seconds before it says that the Job is complete. That
 * watch may fail, and nothing waits for it.
 *
 * An invocation of the timer is a tick, with the watch beside it from where the last one ended; and then it goes on
 * watching until shortly before the next tick is due. While the watch works, five of six ticks are light. The next tick
 * lists everything if the watch failed, was never heard of, or told of what only a list can settle. So without the right
 * to watch, or behind a proxy that breaks watches, each tick lists.
 */
export function makeWatchedTicks(
  { cluster, clock, nextTickAfter, stopping, beside }: WatchDeps,
  reconcile: Reconcile,
  openWakes: (log: Log) => Wakes,
): (log: Log) => Promise<boolean> {
  // All of these are hints for the next tick, not state: a replica that forgets them lists.
  const jobs: WatchPlace = { version: undefined };
  const pods: WatchPlace = { version: undefined };
  let listedAt: Reading | undefined;
  let ticksSinceList = 0;
  let isTrusted = false;
  const jobNotes = makeWatchNotes({
    failed: "the watch on the Jobs does not work, so each tick lists them",
    worked: "the watch on the Jobs works again",
  });
  const podNotes = makeWatchNotes({
    failed: "the watch on the pods does not work, so a success is seen a second or two later",
    worked: "the watch on the pods works again",
  });

  /** How long an invocation watches, and how much later its watch may end. */
  function windowFrom(wallMs: number): { readonly ms: number; readonly lateMs: number } {
    const next = nextTickAfter(wallMs) ?? wallMs + LONGEST_WATCH_MS + REST_BEFORE_NEXT_MS;
    const restMs = Math.min(REST_BEFORE_NEXT_MS, (next - wallMs) * REST_SHARE);
    const lateMs = restMs * LATE_SHARE;
    return { ms: Math.min(LONGEST_WATCH_MS - lateMs, next - wallMs - restMs), lateMs };
  }

  return async function tickAndWatch(log) {
    const startedAt = clock.read();
    const window = windowFrom(startedAt.wallMs);
    const isLong = window.ms >= SURELY_HEARD_MS;
    const leftMs = () => startedAt.monotonicMs + window.ms + window.lateMs - clock.read().monotonicMs;
    const isLight =
      isTrusted &&
      ticksSinceList < TICKS_PER_LIST - 1 &&
      listedAt !== undefined &&
      isFresh(listedAt, clock, LISTS_LAST_MS);
    // What is left at the end is too short for a watch that the server ends.
    const mayBegin = () => leftMs() > 2 * window.lateMs;
    const versionBefore = jobs.version;
    const wakes = openWakes(log);
    const over = new AbortController();
    const stop = () => over.abort();
    stopping.addEventListener("abort", stop);
    if (stopping.aborted) stop();
    const time: WatchTime = {
      leftMs,
      mayBegin,
      monotonicMs: () => clock.read().monotonicMs,
      over: over.signal,
    };
    let watching: Promise<void> | undefined;
    let isHeard = false;
    let failure: unknown;
    let watchingPods: Promise<void> | undefined;

    function followJobs(): void {
      if (mayBegin())
        watching ??= watchOn(
          jobs,
          (...from) => cluster.watchJobs(...from),
          time,
          (news) => {
            isHeard = true;
            if (news?.job) wakes.wake(news.job);
          },
        ).catch((error: unknown) => {
          failure = error;
        });
    }

    function followPods(): void {
      if (pods.version === undefined || !mayBegin()) return;
      watchingPods ??= watchOn(
        pods,
        (...from) => cluster.watchPods(...from),
        time,
        (news) => {
          podNotes.worked(log);
          // The wake proves it by the pod, or else reads the Job.
          if (news?.jobName !== undefined) wakes.wake({ name: news.jobName, state: "complete" });
        },
      ).catch((error: unknown) => {
        // The next list says from where to go on.
        pods.version = undefined;
        podNotes.failed(error, log);
      });
    }

    let doing: Promise<void> | undefined;
    let isOfUse = false;
    try {
      if (isTrusted) {
        followJobs();
        followPods();
      }
      isOfUse = await reconcile(log, {
        isLight,
        onListed(listed) {
          listedAt = startedAt;
          ticksSinceList = -1;
          if (watching && isOlder(listed.jobs, versionBefore)) {
            // The watches would hear nothing until the versions are where they were.
            failure = new UnavailableError("the API server's versions went back: it was restored from a backup");
            over.abort();
            pods.version = undefined;
            return;
          }
          if (!watching || failure !== undefined) {
            watching = undefined;
            failure = undefined;
            // What the broken watch told says nothing of the next one.
            isHeard = false;
            jobs.version = listed.jobs === "" ? undefined : listed.jobs;
            followJobs();
          }
          if (!watchingPods) {
            pods.version = listed.pods === "" ? undefined : listed.pods;
            followPods();
          }
        },
      });
      if (isOfUse) {
        doing = beside(log, over.signal);
        // It rejects when the watch is over.
        const untilEnd = sleep(Math.max(0, leftMs()), undefined, { signal: over.signal }).catch(() => {});
        await Promise.race([Promise.all([watching, doing]), untilEnd]);
      }
    } finally {
      over.abort();
      stopping.removeEventListener("abort", stop);
      await Promise.all([watching, watchingPods, doing]);
      const needsList = await wakes.close();
      ticksSinceList += 1;
      isTrusted = isOfUse && isHeard && failure === undefined && !needsList;
      if (isHeard && failure === undefined) jobNotes.worked(log);
      else if (watching && isOfUse && !stopping.aborted && (failure !== undefined || isLong))
        jobNotes.failed(failure, log);
    }
    return isOfUse;
  };
}

/** Whether a version is older than one that was read before. Versions are numbers by now, and else can't be compared. */
function isOlder(version: string, before: string | undefined): boolean {
  return /^\d+$/.test(version) && /^\d+$/.test(before ?? "") && BigInt(version) < BigInt(before ?? "");
}
