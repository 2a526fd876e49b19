import type { LogLevel } from "./rpc.ts";

/** Where the host's and the app's lines go. */
export interface HostLog {
  /** A line of the host itself. */
  readonly system: (level: LogLevel, text: string) => void;
  /** The log function of one function's invocations. */
  readonly of: (functionName: string) => (level: LogLevel, category: string, text: string) => void;
}

/** Writes `time level who text`, a line each, as they come. Line breaks inside a text are indented, so that a line that starts with a time starts an entry. */
export function makeHostLog(write: (line: string) => void): HostLog {
  const line = (level: LogLevel, who: string, text: string) =>
    write(`${new Date().toISOString()} ${level} ${who} ${text.replaceAll("\n", "\n  ")}\n`);
  return {
    system: (level, text) => line(level, "host", text),
    of: (functionName) => (level, _category, text) => line(level, functionName, text),
  };
}
