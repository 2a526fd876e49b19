/** One line: what, the app's figure, that of the bare calls, and what is to be reached. */
export interface Line {
  readonly what: string;
  readonly app: string;
  readonly bare?: string;
  readonly ratio?: string;
  readonly target?: string;
}

/** A line with two numbers and how they compare. */
export function compared(what: string, [app, bare]: readonly [number, number], digits: number, target?: string): Line {
  return {
    what,
    app: number(app, digits),
    bare: number(bare, digits),
    ratio: number(app / bare, 2),
    ...(target === undefined ? {} : { target }),
  };
}

/** A figure as it is printed. */
export function number(value: number, digits: number): string {
  return Number.isNaN(value) ? "not measured" : value.toFixed(digits);
}

/** The lines as columns for people. */
export function table(lines: readonly Line[]): string {
  return lines
    .map(({ what, app, bare = "", ratio = "", target = "" }) =>
      [what.padEnd(50), app.padStart(28), bare.padStart(28), ratio.padStart(11), target.padStart(7)]
        .join(" ")
        .trimEnd(),
    )
    .join("\n");
}
