/** Facts of a log line. Never a body, never a secret. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined | Readonly<Record<string, number>>>>;

/** Where lines go: one function per level, as an invocation's context has them. */
export interface LogSink {
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/** Writes one JSON object per line: a constant lower-case message, and the facts as fields. */
export interface Log {
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** A log whose every line carries these fields too. */
  child(fields: Fields): Log;
}

export function makeLog(sink: LogSink, bound: Fields = {}): Log {
  const line = (message: string, fields: Fields = {}) => JSON.stringify({ message, ...bound, ...fields });
  return {
    info: (message, fields) => sink.info(line(message, fields)),
    warn: (message, fields) => sink.warn(line(message, fields)),
    error: (message, fields) => sink.error(line(message, fields)),
    child: (fields) => makeLog(sink, { ...bound, ...fields }),
  };
}
