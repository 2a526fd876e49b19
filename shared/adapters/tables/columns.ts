import { z } from "zod";
import type { EpochMs } from "../../clock.ts";

/** A row's columns as the SDK takes and gives them. */
export type Columns = Record<string, unknown>;

/**
 * A row lacks a column, or holds a wrong value: it was edited by hand, or another program wrote it. The message names
 * the column.
 */
export class BadRowError extends Error {
  override readonly name = "BadRowError";
}

/** The last instant that a table can hold. The expiry of a message that never expires is a fraction later. */
const LATEST: EpochMs = Date.parse("9999-12-31T23:59:59.999Z");

/** A date column. */
export const time = z.codec(z.date(), z.number(), {
  decode: (date) => date.getTime(),
  encode: (ms) => new Date(Math.min(Math.max(Math.round(ms), 0), LATEST)),
});
/** A 64-bit integer column. */
export const long = z.codec(z.bigint(), z.int(), { decode: Number, encode: BigInt });
/** A column of the sender's text, whole: no message id, subject or correlation id on the bus comes near this length. */
export const text = z.codec(z.string(), z.string(), { decode: (held) => held, encode: (text) => cut(text, 32_000) });
/** A column of text for people. It is cut because all columns of a row share 1 MiB. */
export const prose = z.codec(z.string(), z.string(), { decode: (held) => held, encode: (text) => cut(text, 8_000) });
/** A column of names without line breaks, one on each line. */
export const lines = z.codec(z.string(), z.array(z.string()), {
  decode: (held) => held.split("\n").filter((line) => line !== ""),
  encode: (names) => names.join("\n"),
});
/** A 32-bit integer column. */
export const count = z.int32();

/** Reads columns by a schema. Throws BadRowError if they don't match it. */
export function decoded<Schema extends z.ZodType>(schema: Schema, columns: Columns): z.output<Schema> {
  const { data, error } = schema.safeParse(columns);
  if (error === undefined) return data;
  throw new BadRowError(error.issues.map((issue) => `column ${issue.path.join(".")}: ${issue.message}`).join("; "));
}

/**
 * Cuts text to at most `max` UTF-16 units. Leaves no half of a surrogate pair, neither one of the sender's nor one of
 * the cut.
 */
function cut(text: string, max: number): string {
  const kept =
    text.length > max && /[\uD800-\uDBFF]$/.test(text.slice(0, max)) ? text.slice(0, max - 1) : text.slice(0, max);
  return kept.replace(/\p{Surrogate}/gu, "\uFFFD");
}
