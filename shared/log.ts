/** The facts of a log line. They never hold a body or a secret. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined | Readonly<Record<string, number>>>>;

/** Writes lines, by one function for each level, as an invocation's context has them. */
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
  /** Makes a log whose every line carries these fields too. */
  child(fields: Fields): Log;
}

/** Makes a log that writes to this sink. */
export function makeLog(sink: LogSink, bound: Fields = {}): Log {
  const line = (message: string, fields: Fields = {}) => JSON.stringify({ message, ...bound, ...fields });
  return {
    info: (message, fields) => sink.info(line(message, fields)),
    warn: (message, fields) => sink.warn(line(message, fields)),
    error: (message, fields) => sink.error(line(message, fields)),
    child: (fields) => makeLog(sink, { ...bound, ...fields }),
  };
}
