import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import { ConfigError } from "../../errors.ts";
import type { PeekedMessage } from "../../run/message.ts";
import { FIRST_PARTITIONED_NUMBER } from "../../run/sequence-number.ts";
import type { Source } from "../../run/source.ts";
import { amqpJson } from "./amqp-json.ts";
import { describeSource } from "./errors.ts";
import { UNREADABLE } from "./patient-decoding.ts";
import type { CarriedProperties } from "./property-space.ts";

/** What is said to expire after the year 9999 never does: the service's own "never" is later. */
const NEVER = Date.UTC(9999, 11, 31);

/**
 * A message as the port shows it.
 * @throws ConfigError where its number says that the entity is partitioned: a JavaScript number could not name it.
 */
export function toPeekedMessage(source: Source, message: ServiceBusReceivedMessage): PeekedMessage {
  const expiresAt = message.expiresAtUtc?.getTime();
  return {
    state: message.state,
    sequenceNumber: plainNumber(source, message),
    enqueuedAt: message.enqueuedTimeUtc?.getTime() ?? 0,
    ...(expiresAt !== undefined && expiresAt < NEVER ? { expiresAt } : {}),
    ...(message.messageId === undefined ? {} : { messageId: textOf(message.messageId) }),
    ...(message.correlationId === undefined ? {} : { correlationId: textOf(message.correlationId) }),
    ...(message.subject === undefined ? {} : { subject: message.subject }),
    ...(message.contentType === undefined ? {} : { contentType: message.contentType }),
    ...bodyOf(message.body),
    properties: message.applicationProperties ?? {},
  };
}

function plainNumber(source: Source, message: ServiceBusReceivedMessage): number {
  const { sequenceNumber } = message;
  if (sequenceNumber === undefined) throw new TypeError("a message without a sequence number");
  if (sequenceNumber.lessThan(FIRST_PARTITIONED_NUMBER)) return sequenceNumber.toNumber();
  throw new ConfigError(
    `${describeSource(source)} is partitioned: its sequence numbers (${sequenceNumber.toString()}) cannot be kept exactly. ` +
      "Create it again without partitioning.",
  );
}

/** Ids may be numbers or bytes in AMQP; bytes are shown as hexadecimal digits. */
function textOf(id: string | number | Uint8Array): string {
  return id instanceof Uint8Array ? Buffer.from(id).toString("hex") : String(id);
}

function bodyOf(body: unknown): Pick<PeekedMessage, "body" | "bodyUnreadable"> {
  try {
    if (body !== UNREADABLE) return { body: bodyBytes(body) };
  } catch (error) {
    // Not too deep to be decoded, by code that is warm, and too deep for JSON.
    if (!(error instanceof RangeError)) throw error;
  }
  return { body: new Uint8Array(), bodyUnreadable: true };
}

/**
 * The bytes of a body. Of a data section, which is what every Service Bus SDK sends, exactly the sender's. A body sent as an AMQP value or
 * sequence has no bytes of its own: text gives its UTF-8, anything else its JSON (64-bit integers as
 * text), nothing gives none.
 */
function bodyBytes(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  if (body === undefined || body === null) return new Uint8Array();
  if (isChunks(body)) return Buffer.concat(body);
  return Buffer.from(typeof body === "string" ? body : (amqpJson(body) ?? ""));
}

/** A body in several data sections is one body in pieces. */
function isChunks(body: unknown): body is Uint8Array[] {
  return Array.isArray(body) && body.length > 0 && body.every((chunk) => chunk instanceof Uint8Array);
}

/** What counts against the room for properties of a received message. */
export function carriedProperties(message: ServiceBusReceivedMessage): CarriedProperties {
  const { messageId, correlationId, subject, contentType, to, replyTo, sessionId, replyToSessionId } = message;
  return {
    application: message.applicationProperties ?? {},
    system: [messageId, correlationId, subject, contentType, to, replyTo, sessionId, replyToSessionId],
  };
}
