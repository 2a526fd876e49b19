import { checkValue, readValue, type Value } from "./edm.ts";

export interface Key {
  readonly partitionKey: string;
  readonly rowKey: string;
}

/** Columns as JSON has them on the wire: each value by its name, and before it `<name>@odata.type` if JSON can't tell. */
export type Columns = Readonly<Record<string, unknown>>;

export interface Entity extends Key {
  /** When it was last written: ISO 8601 in steps of 100 ns. The ETag is made of it. */
  readonly timestamp: string;
  readonly columns: Columns;
}

/** Makes the ETag of a version as the service writes it. */
export function etagOf({ timestamp }: Entity): string {
  return `W/"datetime'${encodeURIComponent(timestamp)}'"`;
}

/** Orders entities by their keys, as the service does: by UTF-16 unit. */
export function compareKeys(a: Key, b: Key): number {
  if (a.partitionKey !== b.partitionKey) return a.partitionKey < b.partitionKey ? -1 : 1;
  if (a.rowKey === b.rowKey) return 0;
  return a.rowKey < b.rowKey ? -1 : 1;
}

const TYPE = "@odata.type";
/** The service's own columns. What a client writes there is passed over. */
const OWN = new Set(["PartitionKey", "RowKey", "Timestamp", "odata.etag", "odata.metadata"]);

/**
 * Reads the columns of an entity that a client sent. Drops nulls, as the service does. Throws TableError if a value is
 * not of the type that it names, or too large.
 */
export function readColumns(sent: Columns): Columns {
  const columns: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(sent)) {
    if (OWN.has(name) || name.endsWith(TYPE) || value === null || value === undefined) continue;
    const type = sent[`${name}${TYPE}`];
    checkValue(name, value, type);
    if (type !== undefined) columns[`${name}${TYPE}`] = type;
    columns[name] = value;
  }
  return columns;
}

/** Writes columns as the SDK takes them, with dates and bigints, as they are on the wire. */
export function writeColumns(columns: Readonly<Record<string, unknown>>): Columns {
  const written: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(columns)) {
    if (OWN.has(name) || value === undefined) continue;
    const type = value instanceof Date ? "Edm.DateTime" : typeof value === "bigint" ? "Edm.Int64" : undefined;
    if (type !== undefined) written[`${name}${TYPE}`] = type;
    written[name] = value instanceof Date ? value.toISOString() : typeof value === "bigint" ? String(value) : value;
  }
  return written;
}

/** Reads one column for a filter; undefined if the entity has none of that name. */
export function valueOf(entity: Entity, name: string): Value | undefined {
  if (name === "PartitionKey") return { kind: "text", value: entity.partitionKey };
  if (name === "RowKey") return { kind: "text", value: entity.rowKey };
  if (name === "Timestamp") return readValue(entity.timestamp, "Edm.DateTime");
  const value = entity.columns[name];
  return value === undefined ? undefined : readValue(value, entity.columns[`${name}${TYPE}`]);
}

/** Picks the columns that a query selects, with their types. */
export function selectColumns({ columns }: Entity, names: ReadonlySet<string>): Columns {
  return Object.fromEntries(Object.entries(columns).filter(([name]) => names.has(name.replace(TYPE, ""))));
}

/** Writes new columns over those of an entity. The types of the old values go with them. */
export function mergeColumns({ columns }: Entity, over: Columns): Columns {
  const kept = Object.entries(columns).filter(([name]) => !Object.hasOwn(over, name.replace(TYPE, "")));
  return { ...Object.fromEntries(kept), ...over };
}
