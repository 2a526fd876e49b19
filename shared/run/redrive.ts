import type { EpochMs } from "../clock.ts";
import type { Source } from "./source.ts";

/** Which dead letters are to be redriven: those that meet every part that is given. */
export interface RedriveWanted {
  /** The module that took the message, or takes it now if the letter is none of the Dispatcher's. Empty: none did. */
  readonly module?: string;
  /** The reason with which it was dead-lettered, by whomever. */
  readonly reason?: string;
  /** The id of a failure group. */
  readonly group?: string;
  /** With what the last attempt of its run ended. */
  readonly exitCode?: number;
  readonly messageIds?: readonly string[];
  /** The runs whose letters they are, as `nameOfRun` names them. */
  readonly runs?: readonly string[];
  /** When its run closed, or if it is none of the Dispatcher's, when its message was enqueued. */
  readonly since?: EpochMs;
  readonly until?: EpochMs;
}

/** Why a dead letter is not redriven. */
export const LETTER_HINDRANCES = [
  /** A run of its message is open: it is being redriven, or this very letter is just being written. */
  "at work",
  /** Its work succeeded. It only expired before that was known. */
  "work done",
  /** The rows of a newer release speak of it. */
  "newer release",
  /** Another instance of the Dispatcher deferred it. */
  "another instance",
  /** No module of today's files takes it. */
  "no module",
  /** Its module's schema rejects it. */
  "schema",
] as const;
export type LetterHindrance = (typeof LETTER_HINDRANCES)[number];

/** How a redrive ended: every wanted letter was tried, a person ended it, or it can't go on, as `problem` says. */
export type RedriveEnd = "done" | "aborted" | "stopped";

/**
 * A redrive of the dead letters of one source, as a person ordered it. The ticks carry it out, whichever replica ticks. A
 * source has one at a time, and its row stays until the next one.
 */
export interface Redrive {
  readonly source: Source;
  /** Letters whose runs closed later are left alone, so that what fails once more is not redriven again. */
  readonly orderedAt: EpochMs;
  readonly who: string;
  readonly why?: string;
  readonly wanted: RedriveWanted;
  /** So many are redriven at most. */
  readonly most?: number;
  /** So many are redriven in a second at most. */
  readonly perSecond: number;
  readonly end?: RedriveEnd;
  readonly endedAt?: EpochMs;
  /** Why it can't go on. */
  readonly problem?: string;
  /** The deferred letters before this number were tried. */
  readonly cursor: number;
  /** Whether all deferred letters were tried, so that those are left that have to be received in order. */
  readonly isThrough: boolean;
  /** So many were redriven. */
  readonly redriven: number;
  /** The id of the run that was begun last. */
  readonly lastRun?: string;
  /** How many wanted ones were left, by what hindered them. */
  readonly left: Readonly<Partial<Record<LetterHindrance, number>>>;
}

/** The redrives of a second, unless a person says how many. */
export const DEFAULT_PER_SECOND = 50;

/** A person's end of a redrive, or its own. */
export function ended(redrive: Redrive, end: RedriveEnd, now: EpochMs, problem?: string): Redrive {
  return { ...redrive, end, endedAt: now, ...(problem === undefined ? {} : { problem }) };
}

export function isAtWork({ end }: Pick<Redrive, "end">): boolean {
  return end === undefined;
}
