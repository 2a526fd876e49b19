/** Text that came from outside must not move the cursor, change colours, or show in another order than it is. */
const UNSAFE =
  /[\p{Cc}\p{Cs}\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
/** A letter may carry some marks. More than these would be written over the lines around it. */
const MARKS = /(\p{M}{4})\p{M}+/gu;

/**
 * Shows text from outside (an id, a body, a log line, a reason) as one line that a terminal can't be hurt by. Line ends
 * and tabs become spaces. Other control characters, escape sequences, marks of writing direction and characters that
 * don't show are written out, such as `␛` or `\u{202e}`.
 */
export function plainText(text: string): string {
  return text
    .replaceAll(/\r?\n|[\r\t]/g, " ")
    .replaceAll(UNSAFE, written)
    .replaceAll(MARKS, "$1");
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
