import { isUtf8 } from "node:buffer";
import type { PeekedMessage } from "../run/message.ts";

/** How a body stands in its file: as the text it is, or as base64. */
export type BodyEncoding = "utf-8" | "base64";

/**
 * The properties' own limit on the bus is 64 KB, but their control characters take six bytes each in JSON. More than this is left out, for
 * a pod's annotations may have 256 KiB together, and a Job that the API server refuses helps nobody.
 */
const MAX_PROPERTIES_BYTES = 160 * 1024;

/** Nested values (AMQP lists and maps) deeper than this are left out. */
const MAX_DEPTH = 16;

/**
 * The body as an annotation can carry it. Strict UTF-8 stays as it is, byte for byte, a byte order mark included. Anything else is base64,
 * and so is text that holds a NUL: no shell variable and few text tools would keep it.
 */
export function bodyText(body: Uint8Array): { text: string; encoding: BodyEncoding } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (isUtf8(bytes) && !bytes.includes(0)) return { text: bytes.toString("utf8"), encoding: "utf-8" };
  return { text: bytes.toString("base64"), encoding: "base64" };
}

/**
 * The content of the properties file: what the sender wrote beside the body, as JSON. Values that JSON has no word for: a date is ISO 8601,
 * binary is `{"base64": "..."}`, an integer beyond 2^53 and a number that is none are strings.
 */
export function propertiesJson(message: PeekedMessage): string {
  const known = {
    messageId: message.messageId ?? null,
    subject: message.subject ?? null,
    correlationId: message.correlationId ?? null,
    contentType: message.contentType ?? null,
    enqueuedAt: new Date(message.enqueuedAt).toISOString(),
    sequenceNumber: message.sequenceNumber,
  };
  const text = JSON.stringify({ ...known, applicationProperties: asJson(message.properties, 0) });
  if (Buffer.byteLength(text) <= MAX_PROPERTIES_BYTES) return text;
  const ids = Object.fromEntries(
    Object.entries(known).map(([name, value]) => [name, typeof value === "string" ? envText(value) : value]),
  );
  return JSON.stringify({ ...ids, applicationProperties: {}, applicationPropertiesOmitted: true });
}

/**
 * A sender's id as an environment variable can carry it: NUL would keep the container from starting, and half a surrogate pair has no UTF-8,
 * so each becomes U+FFFD; the end of a very long one is cut off. The properties file has it as it was.
 */
export function envText(text: string): string {
  const cut = text.slice(0, 1024).replaceAll("\0", "\uFFFD");
  return Buffer.from(cut, "utf8").toString("utf8");
}

function asJson(value: unknown, depth: number): unknown {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || depth >= MAX_DEPTH) return null;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof ArrayBuffer) return { base64: Buffer.from(value).toString("base64") };
  if (ArrayBuffer.isView(value))
    return { base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  if (Array.isArray(value)) return value.map((item) => asJson(item, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, asJson(item, depth + 1)]));
}
