import stringWidth from "string-width";

/** Text that came from outside must not move the cursor, change colours, or show in another order than it is. */
const UNSAFE =
  /[\p{Cc}\p{Cs}\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
/** A letter may carry some marks. More than these would be written over the lines around it. */
const MARKS = /(\p{M}{4})\p{M}+/gu;
const LETTERS = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/**
 * Shows text from outside (an id, a body, a log line, a reason) as one line that a terminal can't be hurt by. Line ends
 * and tabs become spaces. Other control characters, escape sequences, marks of writing direction and characters that
 * don't show are written out, such as `␛` or `\u{202e}`. Text that is wider than `width` columns ends in `…`.
 */
export function plainText(text: string, width = Number.POSITIVE_INFINITY): string {
  // A body may have megabytes. Of them a line shows a beginning, and no letter that shows is longer than this.
  const start = Number.isFinite(width) ? text.slice(0, 16 * (width + 1)) : text;
  const plain = start
    .replaceAll(/\r?\n|[\r\t]/g, " ")
    .replaceAll(UNSAFE, written)
    .replaceAll(MARKS, "$1");
  return cut(plain, width, start.length < text.length);
}

/** The columns that a text takes on a terminal. */
export function widthOf(text: string): number {
  // Only text of other scripts than Latin has to be looked up.
  return /^[ -~]*$/.test(text) ? text.length : stringWidth(text);
}

/** Writes JSON so that a terminal shows it as it is. A program reads the same from it. */
export function plainJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replaceAll(UNSAFE, (unsafe) =>
    unsafe === "\n"
      ? unsafe
      : Array.from({ length: unsafe.length }, (_, at) => `\\u${hex(unsafe.charCodeAt(at)).padStart(4, "0")}`).join(""),
  );
}

function written(unsafe: string): string {
  const code = unsafe.codePointAt(0) ?? 0;
  // Half a character.
  if (code >= 0xd800 && code <= 0xdfff) return "\ufffd";
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  return code === 0x7f ? "␡" : `\\u{${hex(code)}}`;
}

function hex(code: number): string {
  return code.toString(16);
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
