import { z } from "zod";
import type { Operation } from "./entities.ts";
import { type Columns, type Key, readColumns } from "./entity.ts";
import { TableError } from "./table-error.ts";

/** One request, whether it came by itself or in a transaction. */
export interface TableRequest {
  readonly method: string;
  /** The path of the URL, still escaped. */
  readonly path: string;
  readonly ifMatch: string | undefined;
  readonly body: string;
}

/** What a path names: a table, and in it all entities or one. */
interface Target {
  readonly table: string;
  readonly key: Key | undefined;
}

const PATH =
  /^\/[^/]+\/([A-Za-z][A-Za-z\d]{2,62})(?:\(\)|\(PartitionKey='((?:[^']|'')*)',RowKey='((?:[^']|'')*)'\))?$/s;
const object = z.record(z.string(), z.unknown());
const KINDS: Readonly<Record<string, "replace" | "merge">> = { PUT: "replace", PATCH: "merge" };

/** Reads a path such as `/account/Table(PartitionKey='p',RowKey='r')`. Throws TableError if it is not of this kind. */
export function readTarget(path: string): Target {
  const [, table, partitionKey, rowKey] = PATH.exec(decodeURIComponent(path)) ?? [];
  if (table === undefined) throw new TableError("NotImplemented", `The path ${path} is not served here.`);
  if (partitionKey === undefined || rowKey === undefined) return { table, key: undefined };
  return { table, key: { partitionKey: partitionKey.replaceAll("''", "'"), rowKey: rowKey.replaceAll("''", "'") } };
}

/** Reads a request that writes one row. Throws TableError if it is none, or if what it sends is wrong. */
export function readOperation({ method, path, ifMatch, body }: TableRequest): { table: string; operation: Operation } {
  const { table, key } = readTarget(path);
  if (key === undefined && method === "POST") {
    const sent = parsed(body);
    const own = { partitionKey: readKey(sent["PartitionKey"]), rowKey: readKey(sent["RowKey"]) };
    return { table, operation: { kind: "insert", key: own, columns: readColumns(sent) } };
  }
  if (key !== undefined && method === "DELETE") {
    if (ifMatch === undefined) throw new TableError("InvalidInput", "A delete needs If-Match.");
    return { table, operation: { kind: "delete", key, ifMatch } };
  }
  const kind = KINDS[method];
  if (key === undefined || kind === undefined)
    throw new TableError("NotImplemented", `${method} of ${path} is not served here.`);
  readKey(key.partitionKey);
  readKey(key.rowKey);
  return { table, operation: { kind, key, columns: readColumns(parsed(body)), ifMatch } };
}

/** Reads a body of JSON. Throws TableError if it is no object. */
export function parsed(body: string): Columns {
  try {
    return object.parse(JSON.parse(body));
  } catch {
    throw new TableError("InvalidInput", "The body is no JSON object.");
  }
}

const LONGEST_KEY = 512;
/** What no key may hold. */
const FORBIDDEN = /[/\\#?\p{Cc}]/u;

function readKey(key: unknown): string {
  if (typeof key === "string" && key.length <= LONGEST_KEY && !FORBIDDEN.test(key)) return key;
  throw new TableError("InvalidInput", `${JSON.stringify(key)} is no key.`);
}
