import type { EpochMs } from "./clock.ts";
import { parseDuration } from "./duration.ts";

/** What `timeOrAgo` reads, in words. */
export const TIME_OR_AGO =
  "a duration such as 2h or 3d, today, yesterday, or a time such as 2026-01-31 or 2026-01-31T08:00Z";

const DAY_MS = 86_400_000;
/** How many days ago these began, in UTC. */
const DAYS: ReadonlyMap<string, number> = new Map([
  ["today", 0],
  ["yesterday", 1],
]);

/**
 * Reads a time, the beginning of a day by its name, or how long before `now` it was but not before 1970, as ms since 1970.
 * Undefined for anything else.
 */
export function timeOrAgo(text: string, now: EpochMs): EpochMs | undefined {
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const time = new Date(text).getTime();
    return Number.isNaN(time) ? undefined : time;
  }
  const days = DAYS.get(text.toLowerCase());
  if (days !== undefined) return (Math.floor(now / DAY_MS) - days) * DAY_MS;
  const ago = parseDuration(text);
  return ago === undefined || ago === 0 ? undefined : Math.max(0, now - ago);
}
