import type { LogLevel } from "./rpc.ts";

/** Receives the lines of the host and of the app. */
export interface HostLog {
  /** Writes a line of the host itself. */
  readonly system: (level: LogLevel, text: string) => void;
  /** Returns the log function for one function's invocations. */
  readonly of: (functionName: string) => (level: LogLevel, category: string, text: string) => void;
}

/**
 * Writes `time level who text`, one line an entry, as the entries come. Line breaks inside a text are indented, so that
 * only a line that starts with a time starts an entry.
 */
export function makeHostLog(write: (line: string) => void): HostLog {
  const line = (level: LogLevel, who: string, text: string) =>
    write(`${new Date().toISOString()} ${level} ${who} ${text.replaceAll("\n", "\n  ")}\n`);
  return {
    system: (level, text) => line(level, "host", text),
    of: (functionName) => (level, _category, text) => line(level, functionName, text),
  };
}
