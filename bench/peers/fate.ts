import { percentile } from "../statistics.ts";
import type { DeadLetter, Passage } from "./passages.ts";
import type { WorkerReport } from "./worker-reports.ts";

/** What became of one message. Times are ms since 1970. */
export interface Fate {
  readonly sentAt: number;
  /** When its first worker started and its last one ended. Undefined if no worker had it. */
  readonly startedAt?: number;
  readonly endedAt?: number;
  /** When the cluster told that its pod had succeeded. Of bare Jobs alone. */
  readonly podSucceededAt?: number;
  /** When it was gone from the bus. Undefined if it was still there in the end. */
  readonly goneAt?: number;
  readonly letter?: DeadLetter;
  /** How many workers had it. */
  readonly workers: number;
}

/** Makes the fate of a message of what the bus and the workers say. */
export function fateOf({ enqueuedAt, ...passage }: Passage, reports: readonly WorkerReport[]): Fate {
  const [first, last] = [reports[0], reports.at(-1)];
  return {
    sentAt: enqueuedAt,
    ...passage,
    ...(first === undefined ? {} : { startedAt: first.startedAt }),
    ...(last === undefined ? {} : { endedAt: last.endedAt }),
    workers: reports.length,
  };
}

/** The times that are measured of a fate, in ms. Infinity stands for what did not happen while it was watched. */
export const TIMES = {
  toStart: ({ sentAt, startedAt = Infinity }: Fate) => startedAt - sentAt,
  toGone: ({ sentAt, goneAt = Infinity }: Fate) => goneAt - sentAt,
  /** A worker that completes its message by itself ends after its message is gone, which makes a negative time. */
  endToGone: ({ endedAt = Infinity, goneAt = Infinity }: Fate) => (goneAt === Infinity ? Infinity : goneAt - endedAt),
  /** How long the kubelet takes to say that the pod has succeeded. Who settles by what the Job did can't be faster. */
  endToPodSucceeded: ({ endedAt = Infinity, podSucceededAt = Infinity }: Fate) =>
    podSucceededAt === Infinity ? Infinity : podSucceededAt - endedAt,
} as const;

/** The middle of some times, the one that 95 of 100 don't exceed, and the longest. */
export interface Spread {
  readonly p50: number;
  readonly p95: number;
  readonly last: number;
}

/** Summarises one of the times of some fates. */
export function spreadOf(fates: readonly Fate[], time: keyof typeof TIMES): Spread {
  const ms = fates.map(TIMES[time]);
  return { p50: percentile(ms, 0.5), p95: percentile(ms, 0.95), last: percentile(ms, 1) };
}
