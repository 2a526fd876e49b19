import { DefaultAzureCredential } from "@azure/identity";
import { ServiceBusClient } from "@azure/service-bus";
import { installPatientDecoding } from "../shared/adapters/service-bus/patient-decoding.ts";
import { installSureClosing } from "../shared/adapters/service-bus/sure-closing.ts";
import { hostIn, overWebSockets } from "../shared/adapters/service-bus/web-sockets.ts";
import { BUS_TRANSPORT, isOverWebSockets } from "../shared/settings/bus-transport.ts";
import type { Settings } from "./settings.ts";

/** One client per named connection, shared by all triggers that use it. */
export interface Connections {
  /** Throws an Error if neither `<name>` nor `<name>__fullyQualifiedNamespace` is set. */
  client(name: string): ServiceBusClient;
  close(): Promise<void>;
}

// The client tries again soon, because a local broker that restarts is back in a second.
const OPTIONS = { retryOptions: { retryDelayInMs: 1_000, maxRetryDelayInMs: 5_000 } };

/**
 * Makes the clients for connections by the names that bindings give them, from a connection string or by identity. No
 * client connects before a trigger listens.
 */
export function connect(settings: Settings): Connections {
  const clients = new Map<string, ServiceBusClient>();
  installPatientDecoding();
  installSureClosing();

  const webSockets = isOverWebSockets(settings[BUS_TRANSPORT]) === true;
  const optionsFor = (host: string) => ({ ...OPTIONS, ...(webSockets ? overWebSockets(host) : {}) });

  function make(name: string): ServiceBusClient {
    const connectionString = settings[`AzureWebJobs${name}`] || settings[name];
    if (connectionString) return new ServiceBusClient(connectionString, optionsFor(hostIn(connectionString)));
    const namespace = settings[`${name}__fullyQualifiedNamespace`];
    if (namespace) return new ServiceBusClient(namespace, new DefaultAzureCredential(), optionsFor(namespace));
    throw new Error(`no connection ${name}. Set ${name} (a connection string) or ${name}__fullyQualifiedNamespace`);
  }

  return {
    client(name) {
      const client = clients.get(name) ?? make(name);
      clients.set(name, client);
      return client;
    },
    async close() {
      await Promise.allSettled([...clients.values()].map((client) => client.close()));
    },
  };
}
