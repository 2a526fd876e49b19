import { InvalidArgumentError } from "@commander-js/extra-typings";
import { positiveDuration } from "../shared/command-line.ts";

/** Reads a time, or how long ago it was, as ms since 1970. */
export function timeOrAgo(text: string): number {
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text).getTime() : Number.NaN;
  if (!Number.isNaN(time)) return time;
  try {
    return Date.now() - positiveDuration(text);
  } catch {
    throw new InvalidArgumentError(
      "Give a duration such as 2h or 3d, or a time such as 2026-01-31 or 2026-01-31T08:00Z.",
    );
  }
}
