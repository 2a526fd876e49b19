import { z } from "zod";
import type { EpochMs } from "../clock.ts";
import { TIME_OR_AGO, timeOrAgo } from "../time-or-ago.ts";

/** The largest time that a date can have. */
const LAST_TIME = 8.64e15;

/** What a time of a query is, in words. */
export const TIME_IN_QUERY = `ms since 1970, ${TIME_OR_AGO}`;

/** A time in a query, as a program or a person gives it. */
export const timeInQuery = z
  .string()
  .max(64)
  .refine((text) => timeIn(text, 0) !== undefined, { error: `Give ${TIME_IN_QUERY}.` })
  .optional();

/**
 * Reads the times of a query as ms since 1970. `until` is not in the span. Throws a RangeError if nothing can be between
 * them.
 */
export function withTimes<Query extends { readonly since?: string | undefined; readonly until?: string | undefined }>(
  query: Query,
  now: EpochMs,
) {
  const since = timeIn(query.since, now);
  const until = timeIn(query.until, now);
  if (since !== undefined && until !== undefined && since >= until)
    throw new RangeError("nothing can be between since and until, because until is not later");
  return { ...query, since, until };
}

function timeIn(text: string | undefined, now: EpochMs): EpochMs | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) return timeOrAgo(text, now);
  const time = Number(text);
  return time <= LAST_TIME ? time : undefined;
}
