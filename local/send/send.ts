import { randomUUID } from "node:crypto";
import type { ServiceBusClient, ServiceBusMessage } from "@azure/service-bus";
import type { SendRequest } from "./send-flags.ts";

/** Sends the messages that the request asks for, one after the other, and says a line for each. Closes the client. */
export async function sendAll(
  client: ServiceBusClient,
  entity: string,
  request: SendRequest,
  body: Buffer,
  say: (line: string) => void,
): Promise<void> {
  try {
    const sender = client.createSender(entity);
    for (const message of messagesOf(request, body)) {
      await sender.sendMessages(message);
      say(`sent ${String(message.messageId)} to ${entity}, ${body.length} bytes`);
    }
  } finally {
    await client.close();
  }
}

function messagesOf({ id, count, subject, properties }: SendRequest, body: Buffer): ServiceBusMessage[] {
  const stem = id ?? randomUUID();
  return Array.from({ length: count }, (_, index) => ({
    messageId: count === 1 ? stem : `${stem}-${index + 1}`,
    body,
    ...(subject === undefined ? {} : { subject }),
    applicationProperties: { ...properties },
  }));
}
