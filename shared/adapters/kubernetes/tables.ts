import { asJson, isRecord, valueAt } from "../../plain-data.ts";
import { KubernetesFailure, NoAnswerError } from "./answer.ts";
import type { KubernetesConnection } from "./connection.ts";

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PAGE = 500;
/** How often a list is begun again after its pages expired. */
const MAX_RESTARTS = 3;

/**
 * One row: its cells by the lower-case names of their columns, and `creationTimestamp` if its metadata were asked for.
 */
export type TableRow = Readonly<Record<string, string>>;

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
 * reads page by page, and begins again if the server has forgotten the list's version. Throws KubernetesFailure or
 * NoAnswerError.
 */
export async function listTable(
  connection: KubernetesConnection,
  path: string,
  request: TableRequest,
): Promise<TableRow[]> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await listPages(connection, path, request);
    } catch (error) {
      const isExpired = error instanceof KubernetesFailure && error.code === 410;
      if (!isExpired || attempt === MAX_RESTARTS) throw error;
    }
  }
}

async function listPages(
  connection: KubernetesConnection,
  path: string,
  { atMost = Number.POSITIVE_INFINITY, ...selectors }: TableRequest,
): Promise<TableRow[]> {
  const rows: TableRow[] = [];
  let token = "";
  do {
    const query = new URLSearchParams({ includeObject: "None", ...selectors, limit: String(PAGE) });
    if (token !== "") query.set("continue", token);
    const table = await connection.json({ method: "GET", path: `${path}?${query.toString()}`, accept: TABLE });
    const page = readTable(table);
    for (const row of page.rows) rows.push(row);
    token = page.token;
  } while (token !== "" && rows.length < atMost);
  return rows.slice(0, atMost);
}

function readTable(table: unknown): { rows: TableRow[]; token: string } {
  if (!isRecord(table) || table["kind"] !== "Table" || !Array.isArray(table["columnDefinitions"])) {
    throw new NoAnswerError(
      `it answered a list with something other than a table (kind ${asJson(valueAt(table, ["kind"]))})`,
    );
  }
  // Cells are found by their column's name, because servers of other versions have other columns.
  const columns = table["columnDefinitions"].map((column: unknown) =>
    isRecord(column) && typeof column["name"] === "string" ? column["name"].toLowerCase() : "",
  );
  const metadata = isRecord(table["metadata"]) ? table["metadata"] : {};
  const token = metadata["continue"];
  const given: unknown[] = Array.isArray(table["rows"]) ? table["rows"] : [];
  const rows = given.map((row) => readRow(row, columns));
  // Without this check, all that is named in the app's rows would seem to be absent.
  if (rows.some(({ name = "" }) => name === "")) throw new NoAnswerError("it listed objects without their names");
  return { rows, token: typeof token === "string" ? token : "" };
}

function readRow(row: unknown, columns: readonly string[]): TableRow {
  const cells: unknown[] = isRecord(row) && Array.isArray(row["cells"]) ? row["cells"] : [];
  const named = Object.fromEntries(columns.map((column, index) => [column, textOf(cells[index])]));
  const created = valueAt(row, ["object", "metadata", "creationTimestamp"]);
  return typeof created === "string" ? { ...named, creationTimestamp: created } : named;
}

function textOf(cell: unknown): string {
  return typeof cell === "string" ? cell : "";
}
