import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { ServiceBusClient } from "@azure/service-bus";
import { readState } from "../stack/state-file.ts";
import { openNamespace, whyNotSent } from "./azure-namespace.ts";
import { sendAll } from "./send.ts";
import { readSendFlags, type SendRequest } from "./send-flags.ts";

// `npm run send` puts messages on the bus of the stack that `npm start` runs, or on a namespace in Azure.

/** Where to send to: a namespace of Azure by its host name, or else a bus by its connection string. */
type Target = { readonly entity: string } & ({ readonly namespace: string } | { readonly connectionString: string });

async function findTarget({ namespace, entity }: SendRequest): Promise<Target> {
  if (namespace !== undefined) return { entity, namespace };
  const state = await readState();
  if (!state)
    throw new Error(
      "Nothing runs here to send to. Start it in another terminal with npm start, or name a namespace in Azure with --namespace",
    );
  const known = state.entities.find((name) => name.toLowerCase() === entity.toLowerCase());
  if (known === undefined)
    throw new Error(`No module takes messages from ${entity}. Send to one of: ${state.entities.join(", ")}`);
  return state.serviceBus === undefined
    ? { entity: known, namespace: state.fullyQualifiedNamespace ?? "" }
    : { entity: known, connectionString: state.serviceBus };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function send(request: SendRequest): Promise<void> {
  const target = await findTarget(request);
  const body = request.file === "-" ? await buffer(process.stdin) : await readFile(request.file);
  if ("connectionString" in target) {
    await sendAll(new ServiceBusClient(target.connectionString), target.entity, request, body, say);
    return;
  }
  try {
    await sendAll(openNamespace(target.namespace), target.entity, request, body, say);
  } catch (error) {
    throw new Error(whyNotSent(error, target.namespace, target.entity), { cause: error });
  }
}

const request = readSendFlags(process.argv.slice(2));
try {
  await send(request);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
