/** A line of the app's log, with its message and its facts. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly message: string };

/** The app's log, as events to wait for. */
export interface AppLog {
  /** Takes a line as the host writes it. Ignores lines of other programs. */
  take(text: string): void;
  /** How many lines there were so far. `until` can begin with the next one. */
  position(): number;
  /** The first line, from `since` on, for which `isSuch` is true. Rejects after two minutes, with the last warnings. */
  until(isSuch: (line: LogLine) => boolean, since?: number): Promise<LogLine>;
  /** All lines, from `since` on. */
  lines(since?: number): readonly LogLine[];
}

const PATIENCE_MS = 120_000;
const LINES_SHOWN = 15;

export function makeAppLog(): AppLog {
  const lines: LogLine[] = [];
  const warnings: string[] = [];
  const waiting = new Set<(line: LogLine) => void>();
  return {
    take(text) {
      const line = parse(text);
      if (!line) return;
      lines.push(line);
      if (/^\S+ (warning|error) /.test(text)) warnings.push(text);
      for (const take of waiting) take(line);
    },
    position: () => lines.length,
    lines: (since = 0) => lines.slice(since),
    until: (isSuch, since = 0) =>
      new Promise((resolve, reject) => {
        const said = lines.slice(since).find(isSuch);
        if (said) return resolve(said);
        const done = () => {
          clearTimeout(timer);
          waiting.delete(take);
        };
        const take = (line: LogLine) => {
          if (!isSuch(line)) return;
          done();
          resolve(line);
        };
        const timer = setTimeout(() => {
          done();
          reject(new Error(`the app never said it. Its last warnings:\n${warnings.slice(-LINES_SHOWN).join("\n")}`));
        }, PATIENCE_MS);
        waiting.add(take);
      }),
  };
}

function parse(text: string): LogLine | undefined {
  const json = /^\S+Z \w+ \S+ (\{.*\})$/s.exec(text)?.[1];
  if (json === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== "object" || value === null || !("message" in value)) return undefined;
    return { ...value, message: String(value.message) };
  } catch {
    return undefined;
  }
}
