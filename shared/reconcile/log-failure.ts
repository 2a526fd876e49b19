import { errorText, UnavailableError } from "../errors.ts";
import type { Fields, Log } from "../log.ts";

/** Logs what was left to the next tick: as a warning where it passes by itself, else, for then it is a bug, as an error with its stack. */
export function logFailure(log: Log, message: string, error: unknown, fields: Fields = {}): void {
  const why = errorText(error);
  if (error instanceof UnavailableError) return log.warn(message, { ...fields, why });
  log.error(message, { ...fields, why, ...(error instanceof Error && error.stack ? { stack: error.stack } : {}) });
}
