import { asJson, isRecord, valueAt } from "../../plain-data.ts";
import { KubernetesFailure, NoAnswerError } from "./answer.ts";
import type { KubernetesConnection } from "./connection.ts";

export const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PAGE = 500;
/** How often a list is begun again after its pages expired. */
const MAX_RESTARTS = 3;

/** The columns that are read. The others of thousands of rows would only take memory. */
const READ = new Set(["name", "status", "ready"]);

/**
 * One row: its cells by the lower-case names of their columns, and `creationTimestamp` if its metadata were asked for.
 */
export type TableRow = Readonly<Record<string, string>>;

/** A list, and the version of the collection that it shows. A watch from that version tells what came after. */
export interface Listed<T> {
  readonly rows: T[];
  readonly version: string;
}

interface TableRequest {
  readonly labelSelector: string;
  readonly fieldSelector?: string;
  /** `None` by default. */
  readonly includeObject?: "None" | "Metadata";
  /** The most rows to read. */
  readonly atMost?: number;
}

/**
 * Lists objects as the server would print them, without specs and annotations, so that thousands of Jobs stay light. It
 * reads page by page, and begins again if the server has forgotten the list's version. `read` makes of each row what is
 * kept of it, before the next page comes. Throws KubernetesFailure or NoAnswerError.
 */
export async function listTable<T>(
  connection: KubernetesConnection,
  path: string,
  request: TableRequest,
  read: (row: TableRow) => T,
): Promise<Listed<T>> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await listPages(connection, path, request, read);
    } catch (error) {
      const isExpired = error instanceof KubernetesFailure && error.code === 410;
      if (!isExpired || attempt === MAX_RESTARTS) throw error;
    }
  }
}

async function listPages<T>(
  connection: KubernetesConnection,
  path: string,
  { atMost = Number.POSITIVE_INFINITY, ...selectors }: TableRequest,
  read: (row: TableRow) => T,
): Promise<Listed<T>> {
  const rows: T[] = [];
  let token = "";
  // The first page's version is the oldest that any of the pages shows, so that nothing falls between list and watch.
  let version: string | undefined;
  do {
    const query = new URLSearchParams({ includeObject: "None", ...selectors, limit: String(PAGE) });
    if (token !== "") query.set("continue", token);
    const table = await connection.json({ method: "GET", path: `${path}?${query.toString()}`, accept: TABLE });
    const page = readTable(table, []);
    // Without this check, all that is named in the app's rows would seem to be absent.
    if (page.rows.some(({ name = "" }) => name === ""))
      throw new NoAnswerError("it listed objects without their names");
    for (const row of page.rows) rows.push(read(row));
    token = page.token;
    version ??= page.version;
  } while (token !== "" && rows.length < atMost);
  return { rows: rows.slice(0, atMost), version: version ?? "" };
}

/** Reads one object as the server would print it, with its metadata beside the cells. Throws as `listTable` does. */
export async function readRowOf(
  connection: KubernetesConnection,
  path: string,
): Promise<{ readonly row: TableRow; readonly object: unknown } | undefined> {
  const table = await connection.json({ method: "GET", path: `${path}?includeObject=Metadata`, accept: TABLE });
  const [row] = readTable(table, []).rows;
  return row && { row, object: valueAt(table, ["rows", 0, "object"]) };
}

/** A table, as one answer or one event of a watch holds it. */
interface Table {
  readonly columns: readonly string[];
  readonly rows: TableRow[];
  readonly token: string;
  /** Empty if the server doesn't say it. */
  readonly version: string;
}

/**
 * Reads a table. `known` are the columns of an earlier one: a watch names them in its first event only. Throws a
 * NoAnswerError if this is no table, or nothing names its columns.
 */
export function readTable(table: unknown, known: readonly string[]): Table {
  const definitions = valueAt(table, ["columnDefinitions"]);
  if (!isRecord(table) || table["kind"] !== "Table" || (!Array.isArray(definitions) && known.length === 0)) {
    throw new NoAnswerError(
      `it answered a list with something other than a table (kind ${asJson(valueAt(table, ["kind"]))})`,
    );
  }
  // Cells are found by their column's name, because servers of other versions have other columns.
  const columns = Array.isArray(definitions)
    ? definitions.map((column: unknown) =>
        isRecord(column) && typeof column["name"] === "string" ? column["name"].toLowerCase() : "",
      )
    : known;
  const read = columns.flatMap((name, index) => (READ.has(name) ? [{ name, index }] : []));
  const metadata = isRecord(table["metadata"]) ? table["metadata"] : {};
  const given: unknown[] = Array.isArray(table["rows"]) ? table["rows"] : [];
  return {
    columns,
    rows: given.map((row) => readRow(row, read)),
    token: textOf(metadata["continue"]),
    version: textOf(metadata["resourceVersion"]),
  };
}

function readRow(row: unknown, columns: readonly { readonly name: string; readonly index: number }[]): TableRow {
  const cells: unknown[] = isRecord(row) && Array.isArray(row["cells"]) ? row["cells"] : [];
  const read: Record<string, string> = {};
  for (const { name, index } of columns) read[name] = textOf(cells[index]);
  const created = valueAt(row, ["object", "metadata", "creationTimestamp"]);
  if (typeof created === "string") read["creationTimestamp"] = created;
  return read;
}

function textOf(cell: unknown): string {
  return typeof cell === "string" ? cell : "";
}
