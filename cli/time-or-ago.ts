import { InvalidArgumentError } from "@commander-js/extra-typings";
import { timeOrAgo as read, TIME_OR_AGO } from "../shared/time-or-ago.ts";

/** Reads a time, or how long ago it was, as ms since 1970. */
export function timeOrAgo(text: string): number {
  const time = read(text, Date.now());
  if (time === undefined) throw new InvalidArgumentError(`Give ${TIME_OR_AGO}.`);
  return time;
}
