import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import { ConfigError } from "../../errors.ts";
import type { DeadLetterQueue, Entity, ReceivedLetter } from "../../ports/message-broker.ts";
import type { PeekedMessage } from "../../run/message.ts";
import { FIRST_PARTITIONED_NUMBER } from "../../run/sequence-number.ts";
import { amqpJson } from "./amqp-json.ts";
import { describeEntity } from "./errors.ts";
import { UNREADABLE } from "./patient-decoding.ts";
import type { CarriedProperties } from "./property-space.ts";

/** A message that is said to expire after this never expires. The service's own "never" is later. */
const NEVER = Date.UTC(9999, 11, 31);

/**
 * Turns a message of the SDK into the port's. Throws ConfigError if its number shows that the entity is partitioned,
 * because a JavaScript number can't hold such a number exactly.
 */
export function toPeekedMessage(entity: Entity, message: ServiceBusReceivedMessage): PeekedMessage {
  const expiresAt = message.expiresAtUtc?.getTime();
  return {
    state: message.state,
    sequenceNumber: plainNumber(entity, message),
    enqueuedAt: message.enqueuedTimeUtc?.getTime() ?? 0,
    ...(expiresAt !== undefined && expiresAt < NEVER ? { expiresAt } : {}),
    ...(message.deliveryCount === undefined ? {} : { deliveryCount: message.deliveryCount }),
    ...(message.messageId === undefined ? {} : { messageId: textOf(message.messageId) }),
    ...(message.correlationId === undefined ? {} : { correlationId: textOf(message.correlationId) }),
    ...(message.subject === undefined ? {} : { subject: message.subject }),
    ...(message.contentType === undefined ? {} : { contentType: message.contentType }),
    ...bodyOf(message.body),
    properties: message.applicationProperties ?? {},
  };
}

/** Turns a received letter of the SDK into the port's. Throws as `toPeekedMessage` does. */
export function toReceivedLetter(from: DeadLetterQueue, message: ServiceBusReceivedMessage): ReceivedLetter {
  if (message.lockToken === undefined) throw new TypeError("a received message without a lock");
  return { ...toPeekedMessage(from, message), lockToken: message.lockToken };
}

function plainNumber(entity: Entity, message: ServiceBusReceivedMessage): number {
  const { sequenceNumber } = message;
  if (sequenceNumber === undefined) throw new TypeError("a message without a sequence number");
  if (sequenceNumber.lessThan(FIRST_PARTITIONED_NUMBER)) return sequenceNumber.toNumber();
  throw new ConfigError(
    `${describeEntity(entity)} is partitioned: its sequence numbers (${sequenceNumber.toString()}) cannot be kept exactly. ` +
      "Create it again without partitioning.",
  );
}

/** Writes an id as text. In AMQP it may also be a number, or bytes, which become hexadecimal digits. */
function textOf(id: string | number | Uint8Array): string {
  return id instanceof Uint8Array ? Buffer.from(id).toString("hex") : String(id);
}

function bodyOf(body: unknown): Pick<PeekedMessage, "body" | "bodyUnreadable"> {
  try {
    if (body !== UNREADABLE) return { body: bodyBytes(body) };
  } catch (error) {
    // A value may be shallow enough to be decoded, and yet too deep for JSON.
    if (!(error instanceof RangeError)) throw error;
  }
  return { body: new Uint8Array(), bodyUnreadable: true };
}

/**
 * Gives the bytes of a body. Every Service Bus SDK sends a data section, whose bytes come back exactly. A body sent as
 * an AMQP value or sequence has no bytes of its own, so that text becomes UTF-8, no value becomes no bytes, and
 * anything else becomes JSON.
 */
function bodyBytes(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  if (body === undefined || body === null) return new Uint8Array();
  if (isChunks(body)) return Buffer.concat(body);
  return Buffer.from(typeof body === "string" ? body : (amqpJson(body) ?? ""));
}

/** Whether a body came in several data sections, which are pieces of one body. */
function isChunks(body: unknown): body is Uint8Array[] {
  return Array.isArray(body) && body.length > 0 && body.every((chunk) => chunk instanceof Uint8Array);
}

/** Collects what a received message already uses of its property space. */
export function carriedProperties(message: ServiceBusReceivedMessage): CarriedProperties {
  const { messageId, correlationId, subject, contentType, to, replyTo, sessionId, replyToSessionId } = message;
  return {
    application: message.applicationProperties ?? {},
    system: [messageId, correlationId, subject, contentType, to, replyTo, sessionId, replyToSessionId],
  };
}
