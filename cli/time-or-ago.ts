import { type CommandUnknownOpts, InvalidArgumentError } from "@commander-js/extra-typings";
import { timeOrAgo as read, TIME_OR_AGO } from "../shared/time-or-ago.ts";

/** Reads a time, or how long ago it was, as ms since 1970. */
export function timeOrAgo(text: string): number {
  const time = read(text, Date.now());
  if (time === undefined) throw new InvalidArgumentError(`Give ${TIME_OR_AGO}.`);
  return time;
}

/** Ends the process with 2 if nothing can be in a span of time. */
export function refuseEmptySpan(
  command: CommandUnknownOpts,
  { since, until }: { readonly since?: number | undefined; readonly until?: number | undefined },
): void {
  if (since !== undefined && until !== undefined && since >= until)
    command.error("error: nothing can be between --since and --until, because --until is not later");
}
