import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClientSecretCredential } from "@azure/identity";
import { ServiceBusAdministrationClient, ServiceBusClient } from "@azure/service-bus";
import { neededEnvironment } from "../../local/stack/own-environment.ts";
import { startPart } from "../../local/stack/part.ts";
import type { ServiceBusConnection } from "../../shared/adapters/service-bus/receivers.ts";
import type { Source } from "../../shared/run/source.ts";
import { type BusUser, makeBusUser } from "../support/bus-user.ts";
import { ROOT } from "../support/run-program.ts";
import type { AzureSettings, LiveSettings } from "./live-settings.ts";

/** A bus outside of this process, with entities of the tests' own. */
export interface LiveBus {
  readonly connection: ServiceBusConnection;
  readonly user: BusUser;
  /** The settings with which the app reaches it. */
  readonly appSettings: Readonly<Record<string, string>>;
  /** A new queue, with locks of a minute. */
  freshQueue(): Promise<Source>;
  /** A new topic's only subscription, with locks of a minute. */
  freshSubscription(): Promise<Source>;
  /** Deletes the entities that it made. */
  close(): Promise<void>;
}

/** How long a message may take to arrive, on a real service. */
const WAIT_MS = 30_000;
const SUBSCRIPTION = "thumbs";
/** The entity settings that the design asks for. An entity that a killed test left behind deletes itself. */
const ENTITY = { lockDuration: "PT1M", maxDeliveryCount: 2_000, autoDeleteOnIdle: "PT1H" };

/**
 * Opens the bus that the settings choose. Rejects if they choose none. If the principal lacks its role, the error has
 * the command that grants it.
 */
export async function openLiveBus(settings: LiveSettings): Promise<LiveBus> {
  if (settings.kind === "none") throw new Error(settings.why);
  return settings.kind === "azure" ? openAzure(settings) : openLocal();
}

function openAzure(settings: AzureSettings): LiveBus {
  const { tenantId, clientId, clientSecret, fullyQualifiedNamespace } = settings;
  const credential = new ClientSecretCredential(tenantId, clientId, clientSecret);
  const client = new ServiceBusClient(fullyQualifiedNamespace, credential);
  const admin = new ServiceBusAdministrationClient(fullyQualifiedNamespace, credential);
  const made: (() => Promise<unknown>)[] = [];
  const freshName = () => `dispatcher-live-${randomBytes(6).toString("hex")}`;

  async function make(create: () => Promise<unknown>, remove: () => Promise<unknown>): Promise<void> {
    try {
      await create();
      made.push(remove);
    } catch (error) {
      throw new Error(`can't make an entity in ${fullyQualifiedNamespace}. The role it takes: ${settings.grant}`, {
        cause: error,
      });
    }
  }

  return {
    connection: { kind: "identity", fullyQualifiedNamespace, credential },
    user: makeBusUser(client, WAIT_MS),
    appSettings: {
      ServiceBus__fullyQualifiedNamespace: fullyQualifiedNamespace,
      AZURE_TENANT_ID: tenantId,
      AZURE_CLIENT_ID: clientId,
      AZURE_CLIENT_SECRET: clientSecret,
      LOCK_DURATION: "1m",
    },
    async freshQueue() {
      const queue = freshName();
      await make(
        () => admin.createQueue(queue, ENTITY),
        () => admin.deleteQueue(queue),
      );
      return { queue };
    },
    async freshSubscription() {
      const topic = freshName();
      await make(
        () => admin.createTopic(topic, { autoDeleteOnIdle: ENTITY.autoDeleteOnIdle }),
        () => admin.deleteTopic(topic),
      );
      await admin.createSubscription(topic, SUBSCRIPTION, ENTITY);
      return { topic, subscription: SUBSCRIPTION };
    },
    async close() {
      await client.close();
      await Promise.all(made.map((remove) => remove()));
    },
  };
}

/**
 * Starts the broker of local/ as a process, with more entities than there are tests, because it can't make any later.
 */
async function openLocal(): Promise<LiveBus> {
  const directory = await mkdtemp(join(tmpdir(), "dispatcher-live-"));
  const names = Array.from({ length: 90 }, (_, index) => `live-${index}`);
  const own = { lockDurationMs: 60_000 };
  const entities = {
    queues: names.map((name) => ({ name, ...own })),
    topics: names.map((name) => ({ name: `${name}-topic`, subscriptions: [{ name: SUBSCRIPTION, ...own }] })),
  };
  await writeFile(join(directory, "entities.json"), JSON.stringify(entities));
  const broker = await startPart({
    name: "broker",
    program: join(ROOT, "dist", "local", "broker", "main.js"),
    args: ["--entities", join(directory, "entities.json")],
    env: neededEnvironment(process.env),
    stopTimeoutMs: 5_000,
  });
  const connectionString = String(broker.ready["connectionString"]);
  const client = new ServiceBusClient(connectionString);
  const fresh = () => {
    const name = names.shift();
    if (name === undefined) throw new Error("the local broker has no entity left");
    return name;
  };
  return {
    connection: { kind: "connectionString", value: connectionString },
    user: makeBusUser(client),
    appSettings: {},
    freshQueue: async () => ({ queue: fresh() }),
    freshSubscription: async () => ({ topic: `${fresh()}-topic`, subscription: SUBSCRIPTION }),
    async close() {
      await client.close();
      await broker.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
