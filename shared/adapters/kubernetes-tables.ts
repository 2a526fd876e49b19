import { isRecord } from "../plain-data.ts";
import { KubernetesFailure, NoAnswerError } from "./kubernetes-answer.ts";
import type { KubernetesConnection } from "./kubernetes-connection.ts";

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PAGE = 500;
/** How often a list whose pages expired under it is begun again. */
const MAX_RESTARTS = 3;

/** One row: its cells by the lower-case names of their columns. */
export type TableRow = Readonly<Record<string, string>>;

/**
 * A whole list as the server would print it: no specs, no annotations, so that thousands of Jobs stay light. Page by page; begins again where
 * the server has forgotten the list's version meanwhile. Throws KubernetesFailure or NoAnswerError.
 */
export async function listTable(
  connection: KubernetesConnection,
  path: string,
  selectors: { readonly labelSelector: string; readonly fieldSelector?: string },
): Promise<TableRow[]> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await listPages(connection, path, selectors);
    } catch (error) {
      const isExpired = error instanceof KubernetesFailure && error.code === 410;
      if (!isExpired || attempt === MAX_RESTARTS) throw error;
    }
  }
}

async function listPages(
  connection: KubernetesConnection,
  path: string,
  selectors: Readonly<Record<string, string>>,
): Promise<TableRow[]> {
  const rows: TableRow[] = [];
  let token = "";
  do {
    const query = new URLSearchParams({ ...selectors, includeObject: "None", limit: String(PAGE) });
    if (token !== "") query.set("continue", token);
    const table = await connection.json({ method: "GET", path: `${path}?${query.toString()}`, accept: TABLE });
    const page = readTable(table);
    for (const row of page.rows) rows.push(row);
    token = page.token;
  } while (token !== "");
  return rows;
}

function readTable(table: unknown): { rows: TableRow[]; token: string } {
  if (!isRecord(table) || table["kind"] !== "Table" || !Array.isArray(table["columnDefinitions"])) {
    throw new NoAnswerError(
      `it answered a list with something other than a table (kind ${isRecord(table) ? String(table["kind"]) : "unknown"})`,
    );
  }
  // By name: servers of other versions have other columns.
  const columns = table["columnDefinitions"].map((column: unknown) =>
    isRecord(column) && typeof column["name"] === "string" ? column["name"].toLowerCase() : "",
  );
  const metadata = isRecord(table["metadata"]) ? table["metadata"] : {};
  const token = metadata["continue"];
  const rows: unknown[] = Array.isArray(table["rows"]) ? table["rows"] : [];
  return { rows: rows.map((row) => readRow(row, columns)), token: typeof token === "string" ? token : "" };
}

function readRow(row: unknown, columns: readonly string[]): TableRow {
  const cells: unknown[] = isRecord(row) && Array.isArray(row["cells"]) ? row["cells"] : [];
  return Object.fromEntries(columns.map((column, index) => [column, textOf(cells[index])]));
}

function textOf(cell: unknown): string {
  return typeof cell === "string" ? cell : "";
}
