import type { Columns } from "./columns.ts";

/** The most characters of one column. The service takes 32,768. */
const MOST_CHARACTERS = 30_000;

/** Writes a value as JSON in the column of this name. What is too long for one goes on in `name1`, `name2` and so on. */
export function writeJson(name: string, value: unknown): Columns {
  const json = JSON.stringify(value);
  const columns: Columns = {};
  for (let part = 0; part * MOST_CHARACTERS < json.length; part += 1)
    columns[columnOf(name, part)] = json.slice(part * MOST_CHARACTERS, (part + 1) * MOST_CHARACTERS);
  return columns;
}

/** Reads a value that {@link writeJson} wrote. Undefined if there is none, or if it is no JSON. */
export function readJson(name: string, columns: Columns): unknown {
  let json = "";
  for (let part = 0; typeof columns[columnOf(name, part)] === "string"; part += 1)
    json += String(columns[columnOf(name, part)]);
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function columnOf(name: string, part: number): string {
  return part === 0 ? name : `${name}${part}`;
}
