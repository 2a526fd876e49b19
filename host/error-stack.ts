import { errorText } from "../shared/errors.ts";

/** What is known of anything thrown: the stacks of it and of its causes. Of wrong settings their words alone: there is nothing to look for in the code. */
export function errorStack(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "ConfigError") return errorText(error);
  const cause = error.cause === undefined ? "" : `\ncaused by ${errorStack(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
