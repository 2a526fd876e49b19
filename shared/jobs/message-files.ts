import { isUtf8 } from "node:buffer";
import type { PeekedMessage } from "../run/message.ts";

/** How a file holds the body: as the text that it is, or as base64. */
export type BodyEncoding = "utf-8" | "base64";

/**
 * The most bytes of the properties file. The bus allows 64 KB of properties, but a control character takes six bytes in
 * JSON. More is left out, because the API server refuses a pod with more than 256 KiB of annotations.
 */
const MAX_PROPERTIES_BYTES = 160 * 1024;

/** How deep values (AMQP lists and maps) may be nested. Deeper ones are left out. */
const MAX_DEPTH = 16;

/**
 * Writes the body as an annotation can carry it. Strict UTF-8 stays as it is, byte for byte, a byte order mark
 * included. Anything else becomes base64, and so does text that holds a NUL, which no shell variable and few text tools
 * would keep.
 */
export function bodyText(body: Uint8Array): { text: string; encoding: BodyEncoding } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (isUtf8(bytes) && !bytes.includes(0)) return { text: bytes.toString("utf8"), encoding: "utf-8" };
  return { text: bytes.toString("base64"), encoding: "base64" };
}

/**
 * Writes the properties file: what the sender wrote beside the body, as JSON. JSON lacks some values, so that a date
 * becomes ISO 8601, binary becomes `{"base64": "..."}`, and a 64-bit integer, NaN and infinity become strings.
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
 * Writes a sender's id as an environment variable can carry it. NUL, which would keep the container from starting, and
 * half a surrogate pair, which has no UTF-8, become U+FFFD; a very long id is cut. The properties file has the id as it
 * was sent.
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
