import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { DefaultAzureCredential } from "@azure/identity";
import { ServiceBusClient, type ServiceBusMessage } from "@azure/service-bus";
import { readState, type StackState } from "../stack/state-file.ts";
import { readSendFlags, type SendRequest } from "./send-flags.ts";

// `npm run send` puts messages on the bus of the stack that `npm start` runs.

function clientOf(state: StackState): ServiceBusClient {
  if (state.serviceBus !== undefined) return new ServiceBusClient(state.serviceBus);
  return new ServiceBusClient(state.fullyQualifiedNamespace ?? "", new DefaultAzureCredential());
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

async function send(request: SendRequest): Promise<void> {
  const state = await readState();
  if (!state) throw new Error("Nothing runs here to send to. Start it in another terminal with: npm start");
  const known = state.entities.find((name) => name.toLowerCase() === request.entity.toLowerCase());
  if (known === undefined)
    throw new Error(`No module takes messages from ${request.entity}. Send to one of: ${state.entities.join(", ")}`);
  const body = request.file === "-" ? await buffer(process.stdin) : await readFile(request.file);
  const client = clientOf(state);
  try {
    const sender = client.createSender(known);
    for (const message of messagesOf(request, body)) {
      await sender.sendMessages(message);
      process.stdout.write(`sent ${String(message.messageId)} to ${known}, ${body.length} bytes\n`);
    }
  } finally {
    await client.close();
  }
}

const request = readSendFlags(process.argv.slice(2));
try {
  await send(request);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
