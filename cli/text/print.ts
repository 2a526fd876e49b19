import { plainText } from "./plain-text.ts";
import { terminalLines } from "./table.ts";

/** Writes a line to stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/**
 * Writes a text to stdout as plain text, broken between words at the width of a terminal. A command that follows stays
 * whole, on a line of its own if it has to, so that it can be copied. In a pipe all is one line.
 */
export function printText(text: string, command?: string): void {
  const lines = terminalLines(plainText(command === undefined ? text : `${text}:`));
  if (command !== undefined) {
    const both = `${lines.at(-1)} ${plainText(command)}`;
    if (terminalLines(both).length === 1) lines.splice(-1, 1, both);
    else lines.push(plainText(command));
  }
  for (const line of lines) print(line);
}

/** Writes a line to stderr, so that it can be kept apart from what was asked for. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}
