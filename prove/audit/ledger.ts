/** One line of the ledger, which the workers themselves write: a worker started, or ended. */
export interface LedgerLine {
  readonly runId: string;
  readonly attempt: number;
  readonly messageId: string;
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
      const [runId = "", attempt = "", messageId = "", what = "", code = "", ...more] = line.split("\t");
      if ((what !== "start" && what !== "end") || !/^\d+$/.test(attempt) || !/^\d+$/.test(code) || more.length > 0)
        throw new Error(`the ledger holds a line that no worker writes: ${JSON.stringify(line)}`);
      return { runId, attempt: Number(attempt), messageId, what, code: Number(code) };
    });
}
