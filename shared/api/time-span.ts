import { z } from "zod";
import type { EpochMs } from "../clock.ts";
import { WrongQueryError } from "../errors.ts";
import { TIME_OR_AGO, timeOrAgo } from "../time-or-ago.ts";

/** The largest time that a date can have. */
export const LAST_TIME = 8.64e15;

/** What a time of a request is, in words. */
export const TIME_IN_REQUEST = `${TIME_OR_AGO}, or ms since 1970`;

/** A time in a request, as a program or a person gives it. */
export const timeInRequest = z
  .string()
  .max(64)
  .refine((text) => timeIn(text, 0) !== undefined, { error: `Give ${TIME_IN_REQUEST}.` })
  .optional();

/**
 * Reads the times of a request as ms since 1970. `until` is not in the span. Throws a WrongQueryError if nothing can be
 * between them.
 */
export function withTimes<Request extends { readonly since?: string | undefined; readonly until?: string | undefined }>(
  request: Request,
  now: EpochMs,
) {
  const since = timeIn(request.since, now);
  const until = timeIn(request.until, now);
  if (since !== undefined && until !== undefined && since >= until)
    throw new WrongQueryError("nothing can be between since and until, because until is not later");
  return { ...request, since, until };
}

/** Writes a time of a request as the flags of a command take it. */
export function timeInCommand(text: string | undefined): string | undefined {
  return text !== undefined && isMs(text) ? new Date(Number(text)).toISOString() : text;
}

function isMs(text: string): boolean {
  return /^\d+$/.test(text);
}

function timeIn(text: string | undefined, now: EpochMs): EpochMs | undefined {
  if (text === undefined) return undefined;
  if (!isMs(text)) return timeOrAgo(text, now);
  const time = Number(text);
  return time <= LAST_TIME ? time : undefined;
}
