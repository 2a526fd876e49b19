import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { listen } from "../kit/listen.ts";
import { BATCH_TYPE, runBatch } from "./batch.ts";
import { Entities, makeTimestamps, type Page } from "./entities.ts";
import { type Columns, type Entity, etagOf, type Key, selectColumns, writeColumns } from "./entity.ts";
import { parseFilter } from "./filter.ts";
import { parsed, readOperation, readTarget, type TableRequest } from "./requests.ts";
import { TableError } from "./table-error.ts";

export interface TableServer {
  readonly port: number;
  readonly endpoint: string;
  /** For the SDK. Its key is made up, because the server checks no signature. */
  readonly connectionString: string;
  /**
   * Puts entities into a table, over those of the same keys, and makes the table if there is none. They come as the SDK
   * takes them, and without their keys among the columns.
   */
  seed(table: string, entities: Iterable<Seed>): void;
  counts(): TableCounts;
  close(): Promise<void>;
}

export interface Seed extends Key {
  readonly columns: Readonly<Record<string, unknown>>;
}

/** What all clients have asked for so far. */
export interface TableCounts {
  readonly requests: number;
  /** Entities that were inserted, replaced, merged or deleted. */
  readonly written: number;
  /** Entities in answers. */
  readonly read: number;
}

const PAGE = 1000;

/**
 * Starts a table service in memory, on 127.0.0.1 alone. It speaks the REST protocol as `@azure/data-tables` does: tables,
 * entities, entity group transactions, and queries by filter, page by page. A query for a range of keys costs what it
 * finds, however many entities there are, as with the real service.
 *
 * It checks no signature and no size of a whole entity, answers each insert without the entity, and lists all tables or
 * none. It answers 501 `NotImplemented` to every other request of the service's protocol.
 */
export async function startTableServer(): Promise<TableServer> {
  /** The tables, by their names in lower case, because the service ignores case. */
  const tables = new Map<string, { readonly name: string; readonly entities: Entities }>();
  const timestamps = makeTimestamps();
  const counts = { requests: 0, written: 0, read: 0 };
  const tableOf = (name: string): Entities => {
    const table = tables.get(name.toLowerCase());
    if (table === undefined) throw new TableError("TableNotFound");
    return table.entities;
  };
  const makeTable = (name: string): Entities => {
    const entities = new Entities(timestamps);
    tables.set(name.toLowerCase(), { name, entities });
    return entities;
  };

  function answer(request: TableRequest, query: URLSearchParams): Answer {
    const { method, path, body } = request;
    // The properties of the service, and who may use a table.
    if (query.has("comp")) throw new TableError("NotImplemented");
    if (path.endsWith("/Tables") && method === "GET") {
      if (query.has("$filter") || query.has("$top")) throw new TableError("NotImplemented");
      return { status: 200, body: JSON.stringify({ value: [...tables.values()].map(nameOnWire) }) };
    }
    if (path.endsWith("/Tables") && method === "POST") {
      const name = String(parsed(body)["TableName"]);
      if (tables.has(name.toLowerCase())) throw new TableError("TableAlreadyExists");
      makeTable(name);
      return { status: 201, body: JSON.stringify(nameOnWire({ name })) };
    }
    const [, gone] = /\/Tables\('(\w+)'\)$/.exec(decodeURIComponent(path)) ?? [];
    if (gone !== undefined && method === "DELETE") {
      tableOf(gone);
      tables.delete(gone.toLowerCase());
      return { status: 204 };
    }
    if (path.endsWith("/$batch")) {
      const outcome = runBatch(body, tableOf);
      counts.written += outcome.written;
      return { status: 202, body: outcome.answer, headers: { "content-type": BATCH_TYPE } };
    }
    if (method === "GET") return read(path, query);
    const { table, operation } = readOperation(request);
    const entities = tableOf(table);
    entities.check(operation);
    const left = entities.write(operation);
    counts.written += 1;
    return { status: 204, headers: left && { etag: etagOf(left) } };
  }

  function read(path: string, query: URLSearchParams): Answer {
    const { table, key } = readTarget(path);
    const select = query.get("$select")?.split(",");
    const names = select && new Set(select);
    if (key !== undefined) {
      const entity = tableOf(table).get(key);
      if (entity === undefined) throw new TableError("ResourceNotFound");
      counts.read += 1;
      return { status: 200, body: JSON.stringify(written(entity, names)), headers: { etag: etagOf(entity) } };
    }
    const filter = query.get("$filter");
    const page = tableOf(table).query({
      filter: filter === null ? undefined : parseFilter(filter),
      from: continued(query),
      top: Math.min(PAGE, Number(query.get("$top") ?? PAGE)),
    });
    counts.read += page.entities.length;
    return {
      status: 200,
      body: JSON.stringify({ value: page.entities.map((entity) => written(entity, names)) }),
      headers: continuation(page),
    };
  }

  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, response) => {
    counts.requests += 1;
    void serve(incoming, response, answer);
  });
  const { port, close } = await listen(server);
  const endpoint = `http://127.0.0.1:${port}/local`;
  return {
    port,
    endpoint,
    connectionString: `DefaultEndpointsProtocol=http;AccountName=local;AccountKey=${btoa("local")};TableEndpoint=${endpoint}`,
    seed(table, entities) {
      const into = tables.get(table.toLowerCase())?.entities ?? makeTable(table);
      for (const entity of entities) into.put(entity, writeColumns(entity.columns));
    },
    counts: () => ({ ...counts }),
    close,
  };
}

/** Changes a connection string so that its tables are at this endpoint. Its blobs stay where they are. */
export function withTablesAt(endpoint: string, connectionString: string): string {
  return connectionString.replace(/TableEndpoint=[^;]*/, `TableEndpoint=${endpoint}`);
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string;
}

async function serve(
  incoming: IncomingMessage,
  response: ServerResponse,
  answer: (request: TableRequest, query: URLSearchParams) => Answer,
): Promise<void> {
  const { method = "GET", url = "/", headers } = incoming;
  const { pathname: path, searchParams } = new URL(url, "http://127.0.0.1");
  // A client that was killed in the middle of its request needs no answer.
  response.on("error", () => {});
  try {
    const body = await text(incoming);
    send(response, answer({ method, path, ifMatch: headers["if-match"], body }, searchParams));
  } catch (error) {
    if (incoming.destroyed && !incoming.complete) return;
    if (!(error instanceof TableError)) {
      response.destroy();
      throw error;
    }
    send(response, { status: error.status, body: error.body() });
  }
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  const type = body === undefined ? {} : { "content-type": "application/json;odata=minimalmetadata" };
  response.writeHead(status, { "x-ms-request-id": randomUUID(), ...type, ...headers }).end(body);
}

function nameOnWire({ name }: { readonly name: string }): { readonly TableName: string } {
  return { TableName: name };
}

function written(entity: Entity, names: ReadonlySet<string> | undefined): Columns {
  const own = { PartitionKey: entity.partitionKey, RowKey: entity.rowKey, Timestamp: entity.timestamp };
  const etag = { "odata.etag": etagOf(entity) };
  if (names === undefined) return { ...etag, ...own, ...entity.columns };
  const picked = Object.entries(own).filter(([name]) => names.has(name));
  return { ...etag, ...Object.fromEntries(picked), ...selectColumns(entity, names) };
}

const NEXT_PARTITION = "NextPartitionKey";
const NEXT_ROW = "NextRowKey";

/** Names the next page in headers. */
function continuation({ next }: Page): Record<string, string> {
  if (next === undefined) return {};
  return {
    [`x-ms-continuation-${NEXT_PARTITION}`]: escaped(next.partitionKey),
    [`x-ms-continuation-${NEXT_ROW}`]: escaped(next.rowKey),
  };
}

function continued(query: URLSearchParams): Key | undefined {
  const [partitionKey, rowKey] = [query.get(NEXT_PARTITION), query.get(NEXT_ROW)];
  if (partitionKey === null || rowKey === null) return undefined;
  return { partitionKey: unescaped(partitionKey), rowKey: unescaped(rowKey) };
}

/** Writes a key without the characters that a header can't hold. The SDK passes over a header that is empty. */
function escaped(key: string): string {
  return `1.${Buffer.from(key).toString("base64url")}`;
}

function unescaped(key: string): string {
  return Buffer.from(key.slice(2), "base64url").toString();
}
