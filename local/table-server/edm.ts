import { TableError } from "./table-error.ts";

/** A value that filters compare. Values of different kinds never match. */
export interface Value {
  readonly kind: "text" | "number" | "boolean" | "time" | "guid" | "binary";
  readonly value: string | number | bigint | boolean;
}

const MOST_CHARACTERS = 32 * 1024;
const MOST_BYTES = 64 * 1024;

/** Throws TableError if a column holds no value of the type that it names, or one that is too large. */
export function checkValue(name: string, value: unknown, type: unknown): void {
  const read = readValue(value, type);
  if (read === undefined)
    throw new TableError(
      "InvalidInput",
      `The column ${name} is not a value of ${JSON.stringify(type) ?? "a type that JSON shows"}.`,
    );
  const isTooLong =
    typeof read.value === "string" &&
    (read.kind === "binary" ? read.value.length / 2 > MOST_BYTES : read.value.length > MOST_CHARACTERS);
  if (isTooLong) throw new TableError("PropertyValueTooLarge");
}

/** Reads a value of JSON by the type that stands beside it, if there is one; undefined if it is no such value. */
export function readValue(value: unknown, type: unknown): Value | undefined {
  if (typeof type === "string") return TYPES[type]?.(value);
  if (type !== undefined) return undefined;
  if (typeof value === "string") return { kind: "text", value };
  if (typeof value === "number") return { kind: "number", value };
  return typeof value === "boolean" ? { kind: "boolean", value } : undefined;
}

/** Reads a value of each type of the service. */
const TYPES: Readonly<Record<string, (value: unknown) => Value | undefined>> = {
  "Edm.String": (value) => (typeof value === "string" ? { kind: "text", value } : undefined),
  "Edm.Boolean": (value) => (typeof value === "boolean" ? { kind: "boolean", value } : undefined),
  "Edm.Int32": (value) => (typeof value === "number" && value === (value | 0) ? { kind: "number", value } : undefined),
  "Edm.Int64": (value) => int64(String(value)),
  "Edm.Double": (value) =>
    typeof value === "number" || ["NaN", "Infinity", "-Infinity"].includes(String(value))
      ? { kind: "number", value: Number(value) }
      : undefined,
  "Edm.DateTime": (value) => time(String(value)),
  "Edm.Guid": (value) => guid(String(value)),
  "Edm.Binary": (value) =>
    typeof value === "string" ? { kind: "binary", value: Buffer.from(value, "base64").toString("hex") } : undefined,
};

export function int64(digits: string): Value | undefined {
  if (!/^-?\d{1,19}$/.test(digits)) return undefined;
  const value = BigInt(digits);
  return value === BigInt.asIntN(64, value) ? { kind: "number", value } : undefined;
}

export function time(text: string): Value | undefined {
  const value = Date.parse(text);
  return Number.isNaN(value) ? undefined : { kind: "time", value };
}

export function guid(text: string): Value | undefined {
  return /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text)
    ? { kind: "guid", value: text.toLowerCase() }
    : undefined;
}
