/** JSON as the formatter leaves it. Lists of plain values are on one line if they fit. */
export function formattedJson(value: unknown): string {
  const text = JSON.stringify(value, undefined, 2);
  return `${text.replaceAll(/^(.*)\[\n([^[\]{}]*?)\n\s*\]/gm, (whole, before: string, items: string) => {
    const line = `${before}[${items.replaceAll(/\n\s*/g, " ").trim()}]`;
    return line.length < 120 ? line : whole;
  })}\n`;
}
