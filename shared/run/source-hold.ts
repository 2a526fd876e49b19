import type { EpochMs } from "../clock.ts";
import type { RunKey } from "./run.ts";

/** What keeps the runs of a source from going on. They neither start nor are judged. */
export const HOLD_REASONS = ["entity missing", "messages missing"] as const;

/**
 * - `entity missing`: the bus answers that the queue, topic or subscription does not exist.
 * - `messages missing`: the entity exists, and most of the messages that a tick looked for are not in it: see
 *   `doubt-loss.ts`.
 */
export type HoldReason = (typeof HOLD_REASONS)[number];

type MissingMessage = Pick<RunKey, "sequenceNumber" | "enqueuedAt">;

/** The hold of a source. It is in a row, so that every replica keeps to it. */
export interface SourceHold {
  readonly because: HoldReason;
  readonly since: EpochMs;
  /** When a tick last found it so, give or take some minutes. */
  readonly confirmedAt: EpochMs;
  /** Some of the missing messages, by number and enqueued time. If most of them are there again, the hold ends. */
  readonly missing: readonly MissingMessage[];
  /** When a person said that the missing messages are lost. */
  readonly acceptedAt?: EpochMs;
}

/** How long an entity has to be missing before its messages count as lost. */
const LOST_AFTER_MS = 24 * 3_600_000;
/** How often a hold is confirmed in its row. */
const CONFIRM_EVERY_MS = 10 * 60_000;
/**
 * How long nobody may have asked the bus, or got no answer, before the 24 hours begin anew: as long as no tick ends, no
 * person is told of the hold.
 */
const MAX_GAP_MS = 3_600_000;

/** Gives the hold that follows when a tick finds the source so. It is the same object as long as nothing is to write. */
export function heldOn(hold: SourceHold | undefined, because: HoldReason, now: EpochMs): SourceHold {
  const sinceConfirmed = hold?.because === because ? now - hold.confirmedAt : Number.POSITIVE_INFINITY;
  if (hold === undefined || sinceConfirmed > MAX_GAP_MS) {
    const accepted = hold?.acceptedAt === undefined ? {} : { acceptedAt: hold.acceptedAt };
    return { because, since: now, confirmedAt: now, missing: [], ...accepted };
  }
  return sinceConfirmed < CONFIRM_EVERY_MS ? hold : { ...hold, confirmedAt: now };
}

/** Says whether the missing messages count as lost, by a hold that was confirmed just now. */
export function isLossBelieved({ because, since, acceptedAt }: SourceHold, now: EpochMs): boolean {
  if (acceptedAt !== undefined) return true;
  return because === "entity missing" && now - since >= LOST_AFTER_MS;
}

/** Fewer messages that were looked for don't tell another namespace from messages that are gone. */
export const FEWEST_TO_DOUBT = 10;

/**
 * So many missing messages make it more likely that this is another namespace than that the messages are gone: most of
 * at least ten.
 */
export function areMessagesMissing(looked: number, missing: number): boolean {
  return looked >= FEWEST_TO_DOUBT && missing > looked / 2;
}
