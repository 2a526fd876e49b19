import { describe, expect, test } from "vitest";
import { widthOf } from "../../cli/text/plain-text.ts";
import { type Column, tableText } from "../../cli/text/table.ts";

interface Row {
  readonly id: string;
  readonly why: string;
}
const COLUMNS: readonly Column<Row>[] = [
  { head: "RUN", text: ({ id }) => id, least: 10 },
  { head: "STATUS", text: () => "waiting" },
  { head: "WHY", text: ({ why }) => why, least: 10 },
];
const ROWS: readonly Row[] = [
  {
    id: "thumbnails:42:1732400000000",
    why: "the module has no free slot under its maxActive, and others are before it",
  },
  { id: "日本:1:2", why: "\u001b[2J" },
];

describe("a table", () => {
  test.each([80, 140])("is no wider than a terminal of %i columns, and keeps what can't shrink", (width) => {
    const lines = tableText(COLUMNS, ROWS, width).split("\n");
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(width);
    expect(lines.filter((line) => line.includes("waiting"))).toHaveLength(2);
    const at = lines.map((line) => widthOf(line.split(/STATUS|waiting/)[0] ?? ""));
    expect(new Set(at).size).toBe(1);
  });

  test("shrinks the widest column first", () => {
    expect(tableText(COLUMNS, ROWS, 80).split("\n")[1]).toBe(
      "thumbnails:42:1732400000000  waiting  the module has no free slot under its max…",
    );
  });

  test("cuts nothing in a pipe", () => {
    expect(tableText(COLUMNS, ROWS)).toContain("and others are before it");
  });

  test("shows what came from outside as text", () => {
    expect(tableText(COLUMNS, ROWS, 80)).toContain("␛[2J");
  });
});
