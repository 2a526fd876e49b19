/** So many letters are named in one order at most, as by one request to the API. */
const MOST_NAMED = 500;
/** So many characters their names have at most, because the row of an order holds them in one column of 32,768. */
const MOST_CHARACTERS = 24_000;

/** Splits names into parts that one order each may name. A name that is given twice counts once. */
export function orderParts(names: readonly string[]): string[][] {
  const parts: string[][] = [];
  let characters = 0;
  for (const name of new Set(names)) {
    // The row of the action holds them as JSON in JSON.
    const own = JSON.stringify(JSON.stringify(name)).length;
    const last = parts.at(-1);
    if (last && last.length < MOST_NAMED && characters + own <= MOST_CHARACTERS) {
      last.push(name);
      characters += own;
    } else {
      parts.push([name]);
      characters = own;
    }
  }
  return parts;
}
