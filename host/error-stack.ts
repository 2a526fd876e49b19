import { errorText } from "../shared/errors.ts";

/**
 * The stacks of a thrown value and of its causes. A ConfigError gives its message only, because its reader has nothing
 * to look for in the code.
 */
export function errorStack(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "ConfigError") return errorText(error);
  const cause = error.cause === undefined ? "" : `\ncaused by ${errorStack(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
