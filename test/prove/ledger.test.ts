import { describe, expect, it } from "vitest";
import { readLedger } from "../../prove/audit/ledger.ts";

const LINE = ["proof:7:1700000000000", "2", "m", "1700000010000", "end", "3"];

describe("the ledger", () => {
  it("gives what each worker wrote, and when", () => {
    expect(readLedger(`${LINE.join("\t")}\n`)).toEqual([
      { runId: "proof:7:1700000000000", attempt: 2, messageId: "m", at: 1_700_000_010_000, what: "end", code: 3 },
    ]);
  });

  it.each([
    { name: "a field too few", line: LINE.slice(0, -1) },
    { name: "a field too many", line: [...LINE, "0"] },
    { name: "a time in seconds", line: LINE.with(3, "1700000010") },
    { name: "a time that is none", line: LINE.with(3, "1700000010%3N") },
    { name: "an unknown word", line: LINE.with(4, "ends") },
  ])("is not believed with $name", ({ line }) => {
    expect(() => readLedger(`${line.join("\t")}\n`)).toThrow("a line that no worker writes");
  });
});
