/** Writes a command of these words as a shell takes it, with the flags that every action has. */
export function commandText(
  words: readonly string[],
  { why, dryRun = false }: { readonly why?: string | undefined; readonly dryRun?: boolean } = {},
): string {
  return ["dispatcher", ...words, ...flag("why", why), ...(dryRun ? ["--dry-run"] : [])].map(quoted).join(" ");
}

/** Turns the command of a dry run into that of the action itself, for this reason. Any other stays as it is. */
export function withReason(command: string, why: string | undefined): string {
  return command.replace(/ --dry-run$/, () => ["", ...flag("why", why).map(quoted)].join(" "));
}

/** Writes a word as a shell takes it. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** Writes a flag with its value, and nothing if it has none. */
export function flag(name: string, value: string | undefined): string[] {
  // A value that begins with a dash would be taken for a flag.
  return value === undefined ? [] : [`--${name}=${value}`];
}
