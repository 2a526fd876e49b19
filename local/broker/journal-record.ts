import rhea from "rhea";
import { encode, readerOf } from "./amqp.ts";
import { type MessageContent, propertyChanges } from "./message-content.ts";
import type { StoredMessage } from "./stored-message.ts";

/**
 * One change, as a line of the journal holds it. `e` is the entity's name and `n` the message's sequence number.
 *
 * | `k`    | means |
 * | ------ | --- |
 * | `put`  | the message is new in the entity |
 * | `set`  | its state, delivery count or content is another |
 * | `del`  | it has left the entity |
 * | `last` | the entity has given out this number, whatever became of its message |
 */
export type JournalRecord =
  | ({ readonly k: "put"; readonly q: number; readonly x: number | null; readonly c: PackedContent } & Changeable)
  | ({ readonly k: "set"; readonly c?: PackedContent } & Changeable)
  | { readonly k: "del" | "last"; readonly e: string; readonly n: number };

interface Changeable {
  readonly e: string;
  readonly n: number;
  /** The delivery count. */
  readonly d: number;
  readonly s: StoredMessage["state"];
}

/** A content whose parts are base64: properties, application properties, body, annotations. */
export interface PackedContent {
  readonly p: string;
  readonly a?: string;
  readonly b: string;
  readonly m?: string;
  /** The sender's time to live, in ms. */
  readonly t?: number;
}

/** Packs the whole message. JSON has no Infinity, so null is the end of one that never expires. */
export function putRecord(e: string, message: StoredMessage): JournalRecord {
  const { sequenceNumber: n, enqueuedAt: q, expiresAt, deliveryCount: d, state: s, content } = message;
  return { k: "put", e, n, q, x: Number.isFinite(expiresAt) ? expiresAt : null, d, s, c: packed(content) };
}

/** Packs what may change of a message. `isContentNew` says whether the journal lacks its content. */
export function setRecord(e: string, message: StoredMessage, isContentNew: boolean): JournalRecord {
  const { sequenceNumber: n, deliveryCount: d, state: s, content } = message;
  return { k: "set", e, n, d, s, ...(isContentNew ? { c: packed(content) } : {}) };
}

function packed({ properties, applicationProperties, body, annotations, ttlMs }: MessageContent): PackedContent {
  const hasAnnotations = Object.keys(annotations).length > 0;
  return {
    p: properties.toString("base64"),
    ...(applicationProperties === undefined ? {} : { a: applicationProperties.toString("base64") }),
    b: body.toString("base64"),
    ...(hasAnnotations ? { m: encode(rhea.types.wrap_symbolic_map(annotations)).toString("base64") } : {}),
    ...(ttlMs === undefined ? {} : { t: ttlMs }),
  };
}

/** Unpacks a content. */
export function unpacked({ p, a, b, m, t }: PackedContent): MessageContent {
  return {
    properties: Buffer.from(p, "base64"),
    ...(a === undefined ? {} : { applicationProperties: Buffer.from(a, "base64") }),
    body: Buffer.from(b, "base64"),
    annotations: m === undefined ? {} : Object.fromEntries(propertyChanges(readerOf(Buffer.from(m, "base64")).read())),
    ...(t === undefined ? {} : { ttlMs: t }),
  };
}
