import { plainText, widthOf } from "./plain-text.ts";
import { styled } from "./style.ts";

/** A column of a table. */
export interface Column<Row> {
  readonly head: string;
  /** The cell's text. It may come from outside. */
  text(row: Row): string;
  /** A column that shrinks if the terminal is too narrow, to this width at least. Others keep their width. */
  readonly least?: number;
}

/** Between two columns. */
const GAP = "  ";
/** A line of a pipe may be long, because a program reads it. */
const WIDE = 1_000;

/**
 * Prints rows as people read them: a head, and a line for each row, its columns in line. On a terminal no line is wider
 * than the terminal: columns that may shrink do, the widest first. Elsewhere nothing is cut.
 */
export function tableText<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number = process.stdout.isTTY ? process.stdout.columns : WIDE,
): string {
  const cells = rows.map((row) => columns.map((column) => plainText(column.text(row))));
  const natural = columns.map(({ head }, index) =>
    Math.max(widthOf(head), ...cells.map((line) => widthOf(line[index] ?? ""))),
  );
  const widths = shrink(natural, columns, width - GAP.length * (columns.length - 1));
  const line = (texts: readonly string[]) =>
    texts
      .map((text, index) => padded(plainText(text, widths[index]), widths[index] ?? 0))
      .join(GAP)
      .trimEnd();
  const head = styled("bold", line(columns.map((column) => column.head)));
  return [head, ...cells.map(line)].join("\n");
}

function padded(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - widthOf(text)));
}

/** Takes columns away from the widest of those that may shrink, until all fit or none can shrink further. */
function shrink<Row>(natural: readonly number[], columns: readonly Column<Row>[], room: number): number[] {
  const widths = [...natural];
  const spare = (index: number) => (widths[index] ?? 0) - (columns[index]?.least ?? Number.POSITIVE_INFINITY);
  for (let over = sum(widths) - room; over > 0; over--) {
    const shrinkable = widths.map((_, index) => index).filter((index) => spare(index) > 0);
    const [widest] = shrinkable.toSorted((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0));
    if (widest === undefined) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
