/** One line of the workers' own ledger: who wrote it, and when it was. */
export interface LedgerLine {
  readonly runId: string;
  readonly attempt: number;
  readonly messageId: string;
  readonly what: "start" | "end";
  /** Of an end: the exit code that follows. */
  readonly code: number;
}

/** Reads a ledger. Throws an Error where a line is none: then nothing that it says can be relied on. */
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
