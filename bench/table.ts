import { median } from "./statistics.ts";

/** One line of a table: what was measured, the figures of the app and the bare calls, their ratio, and the target. */
export interface Line {
  readonly what: string;
  readonly app: string;
  readonly bare?: string;
  readonly ratio?: string;
  readonly target?: string;
}

/** What was measured of the app and of the bare calls in turns. Those of one round are at the same place. */
export interface Pairs<T> {
  readonly app: readonly T[];
  readonly bare: readonly T[];
}

/** What to write below a table with lines of `paired`. */
export const NOTES = `A ratio is the median of the rounds' ratios, with the smallest and the largest one.
A target stands in parentheses where processor time is judged instead, which is in the line below.`;

/** Makes a line that compares two numbers. */
export function compared(what: string, [app, bare]: readonly [number, number], digits: number, target?: string): Line {
  return {
    what,
    app: number(app, digits),
    bare: number(bare, digits),
    ratio: number(app / bare, 2),
    ...(target === undefined ? {} : { target }),
  };
}

/**
 * Makes a line that compares one number of each round, by the median of the rounds' ratios. Work of the machine that is
 * not ours slows both of a round, so it changes their ratio less than their numbers.
 */
export function paired<T>(
  what: string,
  { app, bare }: Pairs<T>,
  figure: (round: T) => number,
  digits: number,
  target?: string,
): Line {
  const [ofApp, ofBare] = [app.map(figure), bare.map(figure)];
  const ratios = ofApp.map((value, round) => value / (ofBare[round] ?? Number.NaN));
  return {
    what,
    app: number(median(ofApp), digits),
    bare: number(median(ofBare), digits),
    ratio: spread(ratios, 2),
    ...(target === undefined ? {} : { target }),
  };
}

/** Writes a number with so many digits after the point. */
export function number(value: number, digits: number): string {
  return Number.isNaN(value) ? "not measured" : value.toFixed(digits);
}

/** Writes the median, and the smallest and the largest value behind it. */
export function spread(values: readonly number[], digits: number): string {
  if (values.some(Number.isNaN)) return number(Number.NaN, digits);
  if (values.length < 2) return number(median(values), digits);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${number(median(values), digits)} (${number(least, digits)} to ${number(most, digits)})`;
}

/** Writes the lines in columns for people. */
export function table(lines: readonly Line[]): string {
  return aligned(lines.map(({ what, app, bare = "", ratio = "", target = "" }) => [what, app, bare, ratio, target]));
}

/** Writes rows in columns that are as wide as their widest cell. The first is on the left, the others on the right. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
