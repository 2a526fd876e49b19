import { z } from "zod";
import type { EpochMs } from "../../clock.ts";

/** A row's columns as the SDK takes and gives them. */
export type Columns = Record<string, unknown>;

/** A row that does not say what it has to say: edited by hand, or written by something else. The message names the column. */
export class BadRowError extends Error {
  override readonly name = "BadRowError";
}

/** The last instant that a table knows; the expiry of a message without one is a fraction later. */
const LATEST: EpochMs = Date.parse("9999-12-31T23:59:59.999Z");

/** A date column. */
export const time = z.codec(z.date(), z.number(), {
  decode: (date) => date.getTime(),
  encode: (ms) => new Date(Math.min(Math.max(Math.round(ms), 0), LATEST)),
});
/** A 64-bit integer column. */
export const long = z.codec(z.bigint(), z.int(), { decode: Number, encode: BigInt });
/** The sender's text, whole: the bus lets no message id, subject or correlation id come near this length. */
export const text = z.codec(z.string(), z.string(), { decode: (held) => held, encode: (text) => cut(text, 32_000) });
/** Text for people. All columns together have 1 MiB. */
export const prose = z.codec(z.string(), z.string(), { decode: (held) => held, encode: (text) => cut(text, 8_000) });
/** A 32-bit integer column. */
export const count = z.int32();

/** Throws BadRowError where the columns are not what the schema says. */
export function decoded<Schema extends z.ZodType>(schema: Schema, columns: Columns): z.output<Schema> {
  const { data, error } = schema.safeParse(columns);
  if (error === undefined) return data;
  throw new BadRowError(error.issues.map((issue) => `column ${issue.path.join(".")}: ${issue.message}`).join("; "));
}

/** At most `max` UTF-16 units, and no half of a surrogate pair, neither the sender's nor one of our cut. */
function cut(text: string, max: number): string {
  const kept =
    text.length > max && /[\uD800-\uDBFF]$/.test(text.slice(0, max)) ? text.slice(0, max - 1) : text.slice(0, max);
  return kept.replace(/\p{Surrogate}/gu, "\uFFFD");
}
