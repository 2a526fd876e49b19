/**
 * Reads the name of the module from the text of its file, right or wrong: the one in the first column of a YAML file,
 * or the first name in a JSON file.
 */
export function nameInText(text: string): string | undefined {
  const pattern = text.trimStart().startsWith("{") ? /"name"\s*:\s*"([a-z\d-]+)"/ : /^name:\s*["']?([a-z\d-]+)/m;
  return pattern.exec(text)?.[1];
}
