/** Writes a line to stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Writes a line to stderr, so that it can be kept apart from what was asked for. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}
