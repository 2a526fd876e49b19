/** One line of the ledger, which the workers themselves write: a worker started, or ended. */
export interface LedgerLine {
  readonly runId: string;
  readonly attempt: number;
  readonly messageId: string;
  /**
   * When the worker wrote it, in ms. A worker whose shell knows only seconds cuts the rest off, so that no line seems
   * later than it was.
   */
  readonly at: number;
  readonly what: "start" | "end";
  /** The exit code that follows an end; 0 for a start. */
  readonly code: number;
}

/** Reads a ledger. Throws an Error if a line is malformed, because then no line can be relied on. */
export function readLedger(text: string): LedgerLine[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [runId = "", attempt = "", messageId = "", at = "", what = "", code = "", ...more] = line.split("\t");
      const areNumbers = /^\d+$/.test(attempt) && /^\d{13}$/.test(at) && /^\d+$/.test(code);
      if ((what !== "start" && what !== "end") || !areNumbers || more.length > 0)
        throw new Error(`the ledger holds a line that no worker writes: ${JSON.stringify(line)}`);
      return { runId, attempt: Number(attempt), messageId, at: Number(at), what, code: Number(code) };
    });
}
