import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import type { Trigger } from "./invoke.ts";
import { asJson, type Rpc } from "./rpc.ts";

/**
 * The trigger metadata of one message as version 5 of the Service Bus extension gives it: text as text, all else as JSON. Times named `Utc`
 * are .NET `DateTime`s of unspecified kind, so their JSON carries no `Z`; their namesakes are `DateTimeOffset`s. The delivery count starts at 1.
 */
function triggerMetadata(message: ServiceBusReceivedMessage): Record<string, Rpc> {
  const properties = asJson(message.applicationProperties ?? {});
  const subject = asString(message.subject);
  const never = new Date("9999-12-31T23:59:59.999Z");
  return defined({
    MessageId: asString(message.messageId?.toString()),
    SequenceNumber: { json: message.sequenceNumber?.toString() ?? "0" },
    LockToken: asString(message.lockToken),
    DeliveryCount: asJson((message.deliveryCount ?? 0) + 1),
    EnqueuedTimeUtc: asDateTime(message.enqueuedTimeUtc),
    EnqueuedTime: asDateTimeOffset(message.enqueuedTimeUtc),
    ExpiresAtUtc: asDateTime(message.expiresAtUtc ?? never),
    ExpiresAt: asDateTimeOffset(message.expiresAtUtc ?? never),
    LockedUntil: asDateTimeOffset(message.lockedUntilUtc),
    ContentType: asString(message.contentType),
    CorrelationId: asString(message.correlationId?.toString()),
    Subject: subject,
    Label: subject,
    To: asString(message.to),
    ReplyTo: asString(message.replyTo),
    ReplyToSessionId: asString(message.replyToSessionId),
    SessionId: asString(message.sessionId),
    PartitionKey: asString(message.partitionKey),
    DeadLetterSource: asString(message.deadLetterSource),
    DeadLetterReason: asString(message.deadLetterReason),
    DeadLetterErrorDescription: asString(message.deadLetterErrorDescription),
    ApplicationProperties: properties,
    UserProperties: properties,
  });
}

/**
 * What a message hands to its function: the body as its binding asks for it (bytes for `dataType: "binary"`, else text), and the metadata.
 * Throws, as the extension does, where bytes are asked for and the body is no AMQP data. Unlike it this takes any AMQP value as text.
 */
export function ofMessage(message: ServiceBusReceivedMessage, dataType: unknown): Trigger {
  if (dataType === "binary" && !(message.body instanceof Uint8Array))
    throw new Error("a body that is no AMQP data can't be bound to bytes");
  const body = asBytes(message.body);
  const traceparent =
    message.applicationProperties?.["traceparent"] ?? message.applicationProperties?.["Diagnostic-Id"];
  return {
    input: dataType === "binary" ? { bytes: body } : { string: new TextDecoder().decode(body) },
    metadata: triggerMetadata(message),
    ...(typeof traceparent === "string" && TRACEPARENT.test(traceparent) ? { traceparent } : {}),
  };
}

const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;

/** Senders use AMQP data sections; one that sent an AMQP value has it passed on as text. */
function asBytes(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  if (body === undefined || body === null) return new Uint8Array();
  try {
    return new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
  } catch (error) {
    // Nested too deeply for JSON. Thrown, it would have the message abandoned and delivered again at once, until its deliveries are used up.
    if (error instanceof RangeError) return new Uint8Array();
    throw error;
  }
}

function asString(value: string | undefined): Rpc | undefined {
  return value === undefined ? undefined : { string: value };
}

function asDateTime(time: Date | undefined): Rpc | undefined {
  return time && asJson(time.toISOString().replace(/\.?0*Z$/, ""));
}

function asDateTimeOffset(time: Date | undefined): Rpc | undefined {
  return time && asJson(time.toISOString().replace(/\.?0*Z$/, "+00:00"));
}

function defined(fields: Record<string, Rpc | undefined>): Record<string, Rpc> {
  return Object.fromEntries(Object.entries(fields).filter((field): field is [string, Rpc] => field[1] !== undefined));
}
