import { randomUUID } from "node:crypto";
import type { ServiceBusMessage } from "@azure/service-bus";
import type { PropertyValue, SendFlags } from "./flags.ts";

/** The part of the flags that a message is made of. */
export type MessageFlags = Pick<
  SendFlags,
  "subject" | "contentType" | "correlationId" | "property" | "id" | "count" | "at" | "delay"
> &
  Pick<SendFlags, "cloudevent" | "cloudeventSource">;

/** Makes the messages that the flags ask for. Several have the same body, and ids that are numbered. */
export function* messagesOf(flags: MessageFlags, body: Buffer, now: number): Generator<ServiceBusMessage> {
  const stem = flags.id ?? randomUUID();
  const at = flags.at ?? (flags.delay === undefined ? undefined : new Date(now + flags.delay));
  for (let number = 1; number <= flags.count; number++) {
    const messageId = flags.count === 1 ? stem : `${stem}-${number}`;
    yield {
      messageId,
      body,
      ...(flags.subject === undefined ? {} : { subject: flags.subject }),
      ...(flags.contentType === undefined ? {} : { contentType: flags.contentType }),
      ...(flags.correlationId === undefined ? {} : { correlationId: flags.correlationId }),
      ...(at === undefined ? {} : { scheduledEnqueueTimeUtc: at }),
      applicationProperties: { ...eventProperties(flags, messageId, now), ...flags.property },
    };
  }
}

/** The attributes of a CloudEvent, as the AMQP binding names them in its binary mode. */
function eventProperties(flags: MessageFlags, id: string, now: number): Record<string, PropertyValue> {
  if (flags.cloudevent === undefined) return {};
  return {
    "cloudEvents:specversion": "1.0",
    "cloudEvents:type": flags.cloudevent,
    "cloudEvents:source": flags.cloudeventSource ?? "dispatcher",
    "cloudEvents:id": id,
    "cloudEvents:time": new Date(now).toISOString(),
  };
}
