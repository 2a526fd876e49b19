import { describe, expect, test } from "vitest";
import { type Column, tableText } from "../../cli/text/table.ts";
import { widthOf } from "../../cli/text/width.ts";

interface Row {
  readonly id: string;
  readonly why: string;
}
const COLUMNS: readonly Column<Row>[] = [
  { head: "RUN", text: ({ id }) => id },
  { head: "MODULE", text: () => "thumbnail-of-large-images", least: 10, drop: 1 },
  { head: "STATUS", text: () => "waiting" },
  { head: "WHY", text: ({ why }) => why, wraps: true },
];
const WHY = "the module has no free slot under its maxActive, and others are before it";
const ROWS: readonly Row[] = [
  { id: "thumbnails:42:1732400000000", why: WHY },
  { id: "日本:1:2", why: "\u001b[2J" },
  { id: "thumbnails:43:1732400000000", why: "" },
];
const linesAt = (width: number, rows = ROWS) => tableText(COLUMNS, rows, width).split("\n");

describe("a table", () => {
  test.each([40, 60, 80, 100, 140])("is no wider than a terminal of %i columns, and cuts no id", (width) => {
    const lines = linesAt(width);
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(width);
    for (const { id } of ROWS) expect(lines.filter((line) => line.includes(id))).toHaveLength(1);
    expect(lines.join(" ").replaceAll(/\s+/g, " ")).toContain("others are before it");
    const at = lines.map((line) => widthOf(line.split(/STATUS|waiting/)[0] ?? ""));
    expect(new Set(lines.flatMap((line, index) => (/STATUS|waiting/.test(line) ? at[index] : []))).size).toBe(1);
  });

  test("shows sentences beside the row if there is room, on more than one line if they are long", () => {
    const lines = linesAt(100);
    expect(lines[0]).toMatch(/^RUN +MODULE +STATUS +WHY$/);
    expect(lines[1]).toMatch(/^thumbnails:42:1732400000000 {2}thumbnail-\S+ +waiting {2}the module has no free/);
    expect(lines[2]).toMatch(/^ {50,}\S/);
  });

  test("shows them below the row if there is little room, and nothing below a row that says nothing", () => {
    const lines = linesAt(64);
    expect(lines).toEqual([
      expect.stringMatching(/^RUN +MODULE +STATUS$/),
      expect.stringMatching(/^thumbnails:42:/),
      "    the module has no free slot under its maxActive, and others",
      "    are before it",
      expect.stringMatching(/^日本:1:2/),
      "    ␛[2J",
      expect.stringMatching(/^thumbnails:43:/),
    ]);
  });

  test("leaves out what matters less before it cuts", () => {
    expect(linesAt(40)[0]).toMatch(/^RUN +STATUS$/);
  });

  test("ends a sentence that is too long in a mark", () => {
    const long = linesAt(64, [{ id: "a:1:1", why: "word ".repeat(100) }]);
    expect(long).toHaveLength(6);
    expect(long.at(-1)).toMatch(/…$/);
  });

  test("has no column for sentences if no row says any", () => {
    expect(linesAt(140, [{ id: "a:1:1", why: "" }])[0]).toMatch(/STATUS$/);
  });

  test("is one whole line for each row in a pipe", () => {
    const lines = tableText(COLUMNS, [{ id: "a:1:1", why: "word ".repeat(1_000) }]).split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain("word ".repeat(999));
  });

  test("takes many thousand rows of many words", () => {
    const rows = Array.from({ length: 10_000 }, (_, index) => ({ id: `a:${index}:1`, why: "word ".repeat(20) }));
    expect(tableText(COLUMNS, rows).split("\n")).toHaveLength(10_001);
  });

  test("shows what came from outside as text", () => {
    expect(linesAt(80).join("\n")).toContain("␛[2J");
  });
});
