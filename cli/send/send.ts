import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { ServiceBusClient, type ServiceBusSender } from "@azure/service-bus";
import { errorText } from "../../shared/errors.ts";
import { readModules } from "../../shared/module-files/load-modules.ts";
import type { Source } from "../../shared/run/source.ts";
import { Refusal } from "../refusal.ts";
import { announce } from "../target/announce.ts";
import { findTarget } from "../target/find-target.ts";
import { wrongFileText } from "../target/wrong-file-text.ts";
import { plainText } from "../text/plain-text.ts";
import { note, print } from "../text/print.ts";
import { showProgress } from "../text/progress.ts";
import { timeText } from "../text/times.ts";
import { openNamespace, whyNotSent } from "./azure-namespace.ts";
import type { SendFlags } from "./flags.ts";
import { type MessageFlags, messagesOf } from "./messages.ts";

/** Where to send to: a namespace of Azure by its host name, or a bus by its connection string. */
type Address = { readonly entity: string } & ({ readonly host: string } | { readonly connectionString: string });

const retryOptions = { maxRetries: 1, retryDelayInMs: 500, timeoutInMs: 20_000 };

/** Sends the messages that the flags ask for, one after the other. */
export async function send(file: string, flags: SendFlags): Promise<number> {
  const address = await findAddress(flags);
  const body = await read(file);
  const client =
    "host" in address ? openNamespace(address.host) : new ServiceBusClient(address.connectionString, { retryOptions });
  try {
    await sendAll(client, address.entity, flags, body);
    return 0;
  } catch (error) {
    if ("host" in address) throw new Refusal(whyNotSent(error, address.host, address.entity));
    throw new Refusal(`The bus did not take the message (${errorText(error)}).`);
  }
}

export type SendAllFlags = MessageFlags & Pick<SendFlags, "quiet">;

/** Sends the messages over this client, and closes it. Says a line for each, or how far it is if they are many. */
export async function sendAll(
  client: ServiceBusClient,
  entity: string,
  flags: SendAllFlags,
  body: Buffer,
  say: (line: string) => void = (line) => print(plainText(line)),
): Promise<void> {
  const progress = showProgress(`sending to ${entity}`, flags.count);
  try {
    const sender: ServiceBusSender = client.createSender(entity);
    let sent = 0;
    for (const message of messagesOf(flags, body, Date.now())) {
      await sender.sendMessages(message);
      progress.at(++sent);
      const when = message.scheduledEnqueueTimeUtc;
      const later = when === undefined ? "" : `, to be delivered at ${timeText(when.getTime())}`;
      if (!flags.quiet) say(`sent ${String(message.messageId)} to ${entity}, ${body.length} bytes${later}`);
    }
  } finally {
    progress.end();
    await client.close();
  }
}

async function read(file: string): Promise<Buffer> {
  try {
    return file === "-" ? await buffer(process.stdin) : await readFile(file);
  } catch (error) {
    throw new Refusal(
      `The body can't be read (${errorText(error)}). Give the path of a file, or - for standard input.`,
    );
  }
}

async function findAddress({ bus, source, context, namespace }: SendFlags): Promise<Address> {
  const entity = source.split("/")[0] ?? source;
  if (bus !== undefined) {
    note(plainText(`sending to ${entity} of ${bus}`));
    return { entity, host: bus };
  }
  const found = await findTarget({
    ...(context === undefined ? {} : { context }),
    ...(namespace === undefined ? {} : { namespace }),
  });
  try {
    const known = entityOf(found.settings.modulesDir, entity);
    await announce(found, `send to ${known}`);
    const { serviceBus } = found.settings;
    return serviceBus.kind === "identity"
      ? { entity: known, host: serviceBus.fullyQualifiedNamespace }
      : { entity: known, connectionString: serviceBus.value };
  } finally {
    await found.cleanUp?.();
  }
}

/**
 * The queue or topic by its own spelling. Refuses one that no module reads, because its messages would stay there. If a
 * module file is wrong, it may be the one that reads it: then the name is taken as it is, and the bus refuses one that
 * it does not have.
 */
export function entityOf(modulesDir: string, name: string): string {
  const { modules, wrongFiles } = readModules(modulesDir);
  const entities = [...new Set(modules.map(({ source }) => nameOf(source)))];
  const known = entities.find((entity) => entity.toLowerCase() === name.toLowerCase());
  if (known !== undefined) return known;
  for (const file of wrongFiles) note(plainText(wrongFileText(file)));
  if (wrongFiles.length > 0) return name;
  throw new Refusal(`No module takes messages from ${name}. Send to one of: ${entities.join(", ")}`);
}

function nameOf(source: Source): string {
  return "queue" in source ? source.queue : source.topic;
}
