import stringWidth from "string-width";
import { plainText } from "./plain-text.ts";

const LETTERS = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The columns that a text takes on a terminal. */
export function widthOf(text: string): number {
  // Only text of other scripts than Latin has to be looked up.
  return /^[ -~]*$/.test(text) ? text.length : stringWidth(text);
}

/** Shows text as `plainText` does. If it is wider than so many columns, it ends in `…`. */
export function plainUpTo(text: string, width: number): string {
  // A body may have megabytes. Of them a line shows a beginning, and no letter that shows is longer than this.
  const start = Number.isFinite(width) ? text.slice(0, 16 * (width + 1)) : text;
  return cut(plainText(start), width, start.length < text.length);
}

/** Cuts text to a width, at the end of a letter. */
function cut(text: string, width: number, isBeginning: boolean): string {
  if (!isBeginning && widthOf(text) <= width) return text;
  let shown = "";
  let columns = 0;
  for (const { segment } of LETTERS.segment(text)) {
    const own = widthOf(segment);
    // The last column is kept for the mark of the cut.
    if (columns + own > width - 1) return width < 1 ? "" : `${shown}…`;
    shown += segment;
    columns += own;
  }
  return `${shown}…`;
}
