import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import { TWINS } from "./all-twins.ts";
import { guardPlaces } from "./edit.ts";

/** The page with the table, and the file with what one run of all twins found without each guard. */
const PAGE = "docs/proof.md";
const PUBLISHED = "prove/twins/published.json";
const BEGIN = "<!-- The table of guards: `npm run prove:twins -- --docs` writes it. -->\n";
const END = "<!-- End of the table of guards. -->\n";

/** How many things the audit found without each guard, by the twins' names, and the day of that run as YYYY-MM-DD. */
export interface Published {
  readonly date: string;
  readonly found: Readonly<Record<string, number>>;
}

/**
 * Makes the table of guards. Names and texts come from the twins, files from the marker comments, counts from the last
 * published run.
 */
export async function guardTable(): Promise<string> {
  const places = await guardPlaces();
  const { date, found } = await readPublished();
  const rows = TWINS.map(({ name, guard, removal, without, shows }) => {
    const files = new Set(removal.map((edit) => `\`${places.get(edit.guard)?.file ?? "?"}\``));
    const where = `${[...files].join(", ")}${without === undefined ? "" : " (alone)"}`;
    return `| \`${name}\`: ${guard} | ${where} | ${shows} | ${found[name] ?? 0} |`;
  });
  return [
    `| guard | where | what the proof finds without it | found on ${date} |`,
    "|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

/** Reads the table that the page has now. */
export async function printedGuardTable(): Promise<string> {
  return split(await readFile(join(PROJECT_ROOT, PAGE), "utf8")).table;
}

/** Writes what a run of all twins found, and the table into the page. */
export async function publish(published: Published): Promise<void> {
  await writeFile(join(PROJECT_ROOT, PUBLISHED), `${JSON.stringify(published, undefined, 2)}\n`);
  const page = join(PROJECT_ROOT, PAGE);
  const { before, after } = split(await readFile(page, "utf8"));
  await writeFile(page, `${before}${await guardTable()}${after}`);
}

/** Reads what the last published run found. */
export async function readPublished(): Promise<Published> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Only `publish` writes it.
  return JSON.parse(await readFile(join(PROJECT_ROOT, PUBLISHED), "utf8")) as Published;
}

function split(page: string): { readonly before: string; readonly table: string; readonly after: string } {
  const begin = page.indexOf(BEGIN) + BEGIN.length;
  const end = page.indexOf(END);
  if (begin < BEGIN.length || end < begin)
    throw new Error(`${PAGE} has no place for the table of guards: put back the two comments between which it stands`);
  return { before: page.slice(0, begin), table: page.slice(begin, end), after: page.slice(end) };
}
