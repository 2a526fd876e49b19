/** One line of a table: what was measured, the figures of the app and the bare calls, their ratio, and the target. */
export interface Line {
  readonly what: string;
  readonly app: string;
  readonly bare?: string;
  readonly ratio?: string;
  readonly target?: string;
}

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

/** Writes a number with so many digits after the point. */
export function number(value: number, digits: number): string {
  return Number.isNaN(value) ? "not measured" : value.toFixed(digits);
}

/** Writes the lines in columns for people. */
export function table(lines: readonly Line[]): string {
  return lines
    .map(({ what, app, bare = "", ratio = "", target = "" }) =>
      [what.padEnd(50), app.padStart(28), bare.padStart(28), ratio.padStart(11), target.padStart(7)]
        .join(" ")
        .trimEnd(),
    )
    .join("\n");
}
