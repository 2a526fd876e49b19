import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import type { Trigger } from "./invoke.ts";
import { asJson, type Rpc } from "./rpc.ts";

/**
 * Makes the trigger metadata of one message, as version 5 of the Service Bus extension does: text as text, everything
 * else as JSON. Times named `Utc` are .NET `DateTime`s of unspecified kind, so their JSON carries no `Z`; the times of
 * the same name without `Utc` are `DateTimeOffset`s. The delivery count starts at 1.
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
 * Makes a function's input of a message: the body as its binding asks for it (bytes for `dataType: "binary"`, else
 * text), and the metadata. Throws, as the extension does, if the binding asks for bytes and the body is no AMQP data.
 * Unlike the extension, it takes any AMQP value as text.
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

/** Senders use AMQP data sections. If a sender used an AMQP value, the function gets it as text. */
function asBytes(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  if (body === undefined || body === null) return new Uint8Array();
  try {
    return new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
  } catch (error) {
    // The body is nested too deeply for JSON. If this threw, the host would abandon the message and receive it again at
    // once, until its deliveries are used up.
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
