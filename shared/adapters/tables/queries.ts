import type { PipelineResponse } from "@azure/core-rest-pipeline";
import { isRecord } from "../../plain-data.ts";
import type { Columns } from "./columns.ts";
import { keysInPath, type TableExchange } from "./exchange.ts";

/** Which rows are asked for. */
interface Query {
  /** An OData filter. */
  readonly filter: string;
  /** The names of columns; all of them by default. */
  readonly select?: readonly string[];
  /** The most rows of the page. */
  readonly top: number;
}

/** Where the page after a page begins, in the service's own words. */
export interface NextPage {
  readonly partitionKey: string;
  readonly rowKey: string;
}

/** A row as it was read. */
interface Entity {
  readonly rowKey: string;
  readonly etag: string;
  readonly columns: Columns;
}

/** One page of rows. It may be empty and yet not be the last. */
interface Page {
  readonly rows: readonly Entity[];
  readonly next?: NextPage;
}

/** Reads the rows of one table. Rejects with a RestError, as the SDK does, if the service refuses to tell. */
interface Queries {
  row(partitionKey: string, rowKey: string, signal: AbortSignal): Promise<Entity>;
  page(query: Query, from: NextPage | undefined, signal: AbortSignal): Promise<Page>;
}

/**
 * Makes the queries of a table. Only their text is made and read here: the SDK copies each row three times on its way
 * from the answer to the caller, which was the largest part of what a tick costs (docs/decisions/0028).
 */
export function makeQueries({ tableName, send }: TableExchange): Queries {
  return {
    async row(partitionKey, rowKey, signal) {
      const path = `${tableName}${keysInPath(partitionKey, rowKey)}`;
      return readEntity(recordIn(await send({ method: "GET", path, query: FORMAT }, signal)));
    },
    async page({ filter, select, top }, from, signal) {
      const query = [
        FORMAT,
        `$top=${top}`,
        `$filter=${encodeURIComponent(filter)}`,
        ...(select === undefined ? [] : [`$select=${select.join(",")}`]),
        ...(from === undefined
          ? []
          : [
              `NextPartitionKey=${encodeURIComponent(from.partitionKey)}`,
              `NextRowKey=${encodeURIComponent(from.rowKey)}`,
            ]),
      ].join("&");
      const response = await send({ method: "GET", path: `${tableName}()`, query }, signal);
      const { value } = recordIn(response);
      if (!Array.isArray(value)) throw notRows(response);
      const rows = value.map(readEntity);
      const { headers } = response;
      const partitionKey = headers.get("x-ms-continuation-nextpartitionkey");
      if (partitionKey === undefined) return { rows };
      return { rows, next: { partitionKey, rowKey: headers.get("x-ms-continuation-nextrowkey") ?? "" } };
    },
  };
}

/** Has the service name the type of each value, and the ETag of each row. */
const FORMAT = `$format=${encodeURIComponent("application/json;odata=fullmetadata")}`;

/**
 * Gives the JSON of an answer, which the SDK's pipeline has parsed. A proxy's page may come with status 200, and must
 * not pass for a table without rows.
 */
function recordIn(response: PipelineResponse & { readonly parsedBody?: unknown }): Record<string, unknown> {
  if (isRecord(response.parsedBody)) return response.parsedBody;
  throw notRows(response);
}

function notRows({ bodyAsText }: PipelineResponse): Error {
  return new Error(`The table service answered with something other than rows: ${bodyAsText?.slice(0, 200)}`);
}

const TYPE = "@odata.type";

/** Reads a row as the SDK does: its columns hold dates, 64-bit integers and bytes where their types say so. */
function readEntity(entity: Record<string, unknown>): Entity {
  const columns: Columns = {};
  for (const name in entity) {
    // What the service says of the row or of a column, such as its type, has a full stop in its name.
    if (name.includes(".") || NOT_COLUMNS.has(name)) continue;
    // A row holds no null. A service may say it of a column that was asked for by name, and that the row doesn't have.
    if (entity[name] === null) continue;
    const type = entity[name + TYPE];
    columns[name] = typeof type === "string" ? valueOf(entity[name], type) : entity[name];
  }
  return { rowKey: String(entity["RowKey"]), etag: String(entity["odata.etag"]), columns };
}

const NOT_COLUMNS = new Set(["PartitionKey", "RowKey", "Timestamp"]);

function valueOf(value: unknown, type: string): unknown {
  switch (type) {
    case "Edm.DateTime":
      return new Date(String(value));
    case "Edm.Int64":
      return BigInt(String(value));
    case "Edm.Binary":
      return Buffer.from(String(value), "base64");
    case "Edm.Boolean":
    case "Edm.Double":
    case "Edm.Int32":
    case "Edm.String":
      return value;
    default:
      // JavaScript has no such type. It is carried along, and written back as it was (transactions.ts).
      return { value, type: type.replace(/^Edm\./, "") };
  }
}
