import rhea from "rhea";
import { readerOf } from "./amqp.ts";
import { asBrokerError, BrokerError, badArgument, messageNotFound } from "./broker-error.ts";
import type { Entity } from "./entity.ts";
import { type PropertyChanges, propertyChanges } from "./message-content.ts";
import { encodeMessage, sessionRequired } from "./receive-link.ts";
import type { Reply, Request } from "./reply-link.ts";
import { fromWire } from "./sequence-number.ts";
import type { Disposition } from "./stored-message.ts";

/** A peek returns at most this many messages. */
const MAX_PEEKED_MESSAGES = 250;
const MAX_PEEKED_BYTES = 1024 * 1024;

const TIMESTAMP_TYPE = 0x83;

type Body = Readonly<Record<string, unknown>>;
type Operation = (entity: Entity, body: Body, request: Request) => Reply;

const OPERATIONS: Readonly<Record<string, Operation>> = {
  "com.microsoft:peek-message": peek,
  "com.microsoft:receive-by-sequence-number": receiveBySequenceNumber,
  "com.microsoft:update-disposition": updateDisposition,
  "com.microsoft:renew-lock": renewLock,
};

/** Carries out a request to `<entity>/$management`. A refusal is returned as a reply, too. */
export function answerManagement(findEntity: () => Entity, request: Request): Reply {
  try {
    const operation = OPERATIONS[request.operation];
    if (operation === undefined) {
      throw new BrokerError("amqp:not-implemented", 501, `This broker does not know '${request.operation}'.`);
    }
    return operation(findEntity(), bodyOf(request), request);
  } catch (error) {
    const { statusCode, message, condition } = asBrokerError(error);
    return { statusCode, statusDescription: message, errorCondition: condition };
  }
}

const ok = (body?: unknown): Reply => ({ statusCode: 200, statusDescription: "OK", body });

function peek(entity: Entity, body: Body): Reply {
  const from = fromWire(longOf(body["from-sequence-number"]), entity.settings.partitioned);
  const count = Math.min(Number(body["message-count"]), MAX_PEEKED_MESSAGES);
  const messages: { message: Buffer }[] = [];
  let bytes = 0;
  for (const message of entity.peek(from, count)) {
    const encoded = encodeMessage(entity, { message });
    bytes += encoded.length;
    if (messages.length > 0 && bytes > MAX_PEEKED_BYTES) break;
    messages.push({ message: encoded });
  }
  return messages.length === 0 ? { statusCode: 204, statusDescription: "No Content" } : ok({ messages });
}

function receiveBySequenceNumber(entity: Entity, body: Body): Reply {
  if (entity.settings.requiresSession && body["session-id"] === undefined) throw sessionRequired();
  const numbers = arrayOf(body["sequence-numbers"]).map((value) =>
    fromWire(longOf(value), entity.settings.partitioned),
  );
  if (numbers.length === 0) throw messageNotFound();
  const mode = body["receiver-settle-mode"] === 0 ? "receiveAndDelete" : "peekLock";
  const messages = entity.receiveDeferred(numbers, mode).map((received) => ({
    message: encodeMessage(entity, received),
    ...(received.lock === undefined
      ? {}
      : { "lock-token": rhea.types.wrap_uuid(rhea.string_to_uuid(received.lock.token)) }),
  }));
  return ok({ messages });
}

function updateDisposition(entity: Entity, body: Body, request: Request): Reply {
  const disposition = readDisposition(body, request);
  for (const token of lockTokens(body)) {
    entity.settle(token, disposition);
  }
  return ok();
}

function readDisposition(body: Body, request: Request): Disposition {
  const status = body["disposition-status"];
  const properties = body["properties-to-modify"] ? propertiesToModify(request.raw) : new Map();
  switch (status) {
    case "completed":
      return { kind: "complete" };
    case "abandoned":
      return { kind: "abandon", properties };
    case "defered":
      return { kind: "defer", properties };
    case "suspended":
      return {
        kind: "deadLetter",
        reason: textOf(body["deadletter-reason"]),
        description: textOf(body["deadletter-description"]),
        properties,
      };
    default:
      throw badArgument(`'${String(status)}' is not a disposition.`);
  }
}

function renewLock(entity: Entity, body: Body): Reply {
  const ends = lockTokens(body).map((token) => entity.renewLock(token));
  return ok({ expirations: rhea.types.wrap_array(ends, TIMESTAMP_TYPE, undefined) });
}

/**
 * The properties as the client encoded them. They are read from the raw message, because the decoded body has lost
 * their exact types.
 */
function propertiesToModify(raw: Buffer): PropertyChanges {
  const reader = readerOf(raw);
  while (reader.remaining() > 0) {
    const value = reader.read();
    if (value.descriptor?.value !== 0x77) continue;
    return propertyChanges(propertyChanges(value).get("properties-to-modify"));
  }
  return new Map();
}

function arrayOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw badArgument("The request lacks a list that it needs.");
}

function longOf(value: unknown): number | Buffer {
  if (typeof value === "number" || Buffer.isBuffer(value)) return value;
  throw badArgument("The request lacks a sequence number.");
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function lockTokens(body: Body): string[] {
  return arrayOf(body["lock-tokens"]).map((token) => {
    if (Buffer.isBuffer(token) && token.length === 16) return rhea.uuid_to_string(token);
    throw badArgument("A lock token is not a UUID.");
  });
}

function bodyOf(request: Request): Body {
  const { body } = request;
  if (typeof body === "object" && body !== null) return { ...body };
  throw badArgument("The request lacks a body.");
}
