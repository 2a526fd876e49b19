import { rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBusClient } from "@azure/service-bus";
import { type Azurite, startAzurite } from "../../local/azurite/start-azurite.ts";
import { type LocalBroker, startBroker } from "../../local/broker/start-broker.ts";
import { makeCertificate } from "../../local/cluster/certificate.ts";
import { readAccess } from "../../local/kit/cluster-access.ts";
import { SecretSearch } from "../../local/kit/secret-search.ts";
import { neededEnvironment } from "../../local/stack/own-environment.ts";
import { type Part, startPart } from "../../local/stack/part.ts";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import { withTablesAt } from "../../local/table-server/start-table-server.ts";
import type { Finding } from "../audit/audit.ts";
import { LeakyLines } from "../audit/leaky-lines.ts";
import type { Servers } from "../audit/read-records.ts";
import { searchLeaks } from "../audit/search-leaks.ts";
import { BusGate } from "../faults/bus-gate.ts";
import type { CallHandler } from "../faults/call.ts";
import type { ServerName } from "../faults/edges.ts";
import { Gate } from "../faults/gate.ts";
import type { Outage } from "../faults/plan.ts";
import { CANARIES } from "./canaries.ts";
import { startCanceller } from "./canceller.ts";
import { QUEUE, SUBSCRIPTION, TOPIC } from "./kinds.ts";
import { INSTANCE, makeReplica, type Storage } from "./make-replica.ts";
import { CANCELLED_MODULE, writeModules } from "./proof-modules.ts";
import { startRedriver } from "./redriver.ts";
import { type ReplicaProcess, signal } from "./replica-process.ts";
import { deferForeignMessages, FOREIGN_MESSAGES } from "./sender.ts";

const NAMESPACE = "proof-jobs";
const TABLE = "ProofRuns";

/** How long a replica may take until it is up for the first time. No server is away then. */
const FIRST_START_MS = 120_000;

export interface StageOptions {
  /** How many replicas share the work. */
  readonly replicas: number;
  /** How long the bus's locks last. The app is told the same. */
  readonly lockMs: number;
  /** The bus closes a link that was sent more messages than these, and has not settled them. By default it closes none. */
  readonly maxUnsettled?: number;
  /** The builds of the app that the replicas run: the first replica the first one, and so on, over and over. */
  readonly apps: readonly [string, ...string[]];
  /** The build of the standalone host that runs them; by default the one that `build.js` makes. */
  readonly host?: string;
  /** Gives what decides about each call. It is asked at each call, because a handler may need a stage that is up. */
  readonly handler: () => CallHandler;
  /** Takes each line that a process writes. */
  readonly onLine: (who: string, line: string) => void;
  /** Gives what a replica's environment has beside its settings. The replicas are counted from 0. */
  readonly environmentOf?: (replica: number) => Readonly<Record<string, string>>;
  /** Takes the last words of a replica that ended by itself. */
  readonly onDeath: (words: string) => void;
  /** Keeps the tables in a server of its own instead of Azurite, which reads all rows for each query. */
  readonly hasManyRows?: boolean;
}

/** Bus, storage, cluster and replicas, with a proxy on each way between them. */
export interface Stage {
  readonly replicas: readonly ReplicaProcess[];
  readonly servers: Servers;
  /** The gates between the replicas and each server. */
  readonly gates: Readonly<Record<ServerName, Gate>>;
  /** Has these images, and no others, fail to be pulled from here on. */
  loseImages(images: readonly string[]): Promise<void>;
  /** Counts the messages on the bus that have not ended, without the foreign ones. */
  openMessages(): number;
  /** Deletes every entity of the bus and makes it again, empty, with numbers from 1. */
  recreateBus(): Promise<void>;
  /** Waits for all replicas to be up, and `patienceMs` at most. Resolves to why each of the others is not. */
  whyDown(patienceMs: number): Promise<readonly string[]>;
  /** Finds what the replicas have written so far, anywhere, that only a pod may see. */
  leaks(): Promise<Finding[]>;
  /** Takes a server away from all replicas. Resolves when it is back. */
  takeAway(outage: Pick<Outage, "server" | "how" | "ms">): Promise<void>;
  /** Ends everything, in reverse order. */
  close(): Promise<void>;
}

/** Starts the servers and the replicas. Rejects if one of them can't be started, after it has ended the others. */
export async function startStage(options: StageOptions): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), "dispatcher-proof-"));
  const cleanUps: (() => Promise<unknown>)[] = [() => rm(directory, { recursive: true, force: true })];
  const close = async () => {
    for (const cleanUp of cleanUps.toReversed()) await cleanUp().catch(() => {});
  };
  try {
    return await build(options, directory, cleanUps, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(
  options: StageOptions,
  directory: string,
  cleanUps: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<Stage> {
  const { apps, lockMs, maxUnsettled, handler } = options;
  const ledger = join(directory, "ledger");
  const modulesDir = join(directory, "modules");
  const missingImages = join(directory, "missing-images");
  await writeFile(ledger, "");
  await writeFile(missingImages, "");
  await writeModules(modulesDir, ledger);
  const gates: Record<ServerName, Gate> = { bus: new Gate(), storage: new Gate(), cluster: new Gate() };

  const busGate = new BusGate(handler);
  let broker = await startBus(busGate, { lockMs, maxUnsettled });
  cleanUps.push(() => broker.close());
  const azurite = await startAzurite();
  cleanUps.push(() => azurite.close());
  const tables = options.hasManyRows === true ? await startTables(options.onLine) : undefined;
  if (tables) cleanUps.push(() => tables.stop());
  const storage = tables ? withTables(azurite, tables) : azurite;
  const cluster = await startPart({
    name: "cluster",
    program: join(PROJECT_ROOT, "dist/local/cluster/main.js"),
    args: ["--directory", join(directory, "cluster"), "--namespace", NAMESPACE, "--missing-images", missingImages],
    env: neededEnvironment(process.env),
    stopTimeoutMs: 10_000,
    onLine: (line) => options.onLine("cluster", line),
  });
  cleanUps.push(() => cluster.stop());
  const access = await readAccess(String(cluster.ready["kubeconfig"]));
  cleanUps.push(startCanceller(access, CANCELLED_MODULE));
  cleanUps.push(startRedriver({ storage: storage.connectionString, tableName: TABLE, instance: INSTANCE }));
  const certificate = await makeCertificate();
  const search = new SecretSearch(secretsOf(storage.connectionString, access.token));
  const lines = new LeakyLines(search);

  const replicas: ReplicaProcess[] = [];
  for (let index = 0; index < options.replicas; index += 1) {
    const replica = await makeReplica({
      index,
      app: apps[index % apps.length] ?? apps[0],
      host: options.host ?? join(PROJECT_ROOT, "dist/host/main.js"),
      directory,
      modulesDir,
      tableName: TABLE,
      lockMs,
      environment: options.environmentOf?.(index) ?? {},
      servers: { broker, storage, cluster: access },
      gates,
      busGate,
      handler,
      certificate,
      onLine: (who, line) => {
        lines.note(who, line);
        options.onLine(who, line);
      },
      onDeath: (words) => options.onDeath(search.crossedOut(words)),
      atEnd: (cleanUp) => cleanUps.push(cleanUp),
    });
    replicas.push(replica);
  }
  const pids = { storage: [azurite.pid, ...(tables ? [tables.pid] : [])], cluster: [cluster.pid] };
  const killNow = () => {
    for (const replica of replicas) replica.killNow();
    for (const pid of [...pids.storage, ...pids.cluster]) signal(pid, "SIGCONT");
    rmSync(directory, { recursive: true, force: true });
  };
  process.once("exit", killNow);
  cleanUps.push(async () => process.off("exit", killNow));
  cleanUps.push(() => Promise.all(replicas.map((replica) => replica.stop())));
  for (const replica of replicas) void replica.start();
  const whyDown = async (patienceMs: number) => {
    const tried = await Promise.allSettled(replicas.map((replica) => replica.upWithin(patienceMs)));
    const reasons = tried.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
    return reasons.map((why) => search.crossedOut(why instanceof Error ? why.message : String(why)));
  };
  const down = await whyDown(FIRST_START_MS);
  if (down.length > 0) throw new Error(down.join("\n"));

  const servers: Servers = {
    serviceBus: broker.connectionString,
    storage: storage.connectionString,
    tableName: TABLE,
    cluster: access,
    ledger,
  };
  return {
    replicas,
    servers,
    gates,
    loseImages: (images) => writeFile(missingImages, images.join("\n")),
    openMessages: () =>
      Object.values(broker.counts()).reduce((sum, { active, deferred }) => sum + active + deferred, -FOREIGN_MESSAGES),
    recreateBus: async () => {
      gates.bus.close();
      await broker.close();
      broker = await startBus(busGate, { lockMs, maxUnsettled }, broker.port);
      gates.bus.open();
    },
    whyDown,
    leaks: async () => [...lines.findings, ...(await searchLeaks(servers, search))],
    takeAway: (outage) => takeAway(outage, { broker, gates, pids }),
    close,
  };
}

function startTables(onLine: StageOptions["onLine"]): Promise<Part> {
  return startPart({
    name: "table server",
    program: join(PROJECT_ROOT, "dist/local/table-server/main.js"),
    env: neededEnvironment(process.env),
    stopTimeoutMs: 10_000,
    onLine: (line) => onLine("tables", line),
  });
}

/** Gives a storage that has its tables in the table server, and its blobs in Azurite. */
function withTables(azurite: Azurite, { ready }: Part): Storage {
  return {
    connectionString: withTablesAt(String(ready["endpoint"]), azurite.connectionString),
    tablePort: Number(ready["port"]),
    blobPort: azurite.blobPort,
  };
}

/** Starts the bus, on this port if one is given, with the foreign messages in it. */
async function startBus(
  busGate: BusGate,
  {
    lockMs: lockDurationMs,
    maxUnsettled,
  }: Pick<StageOptions, "lockMs"> & { readonly maxUnsettled: number | undefined },
  port?: number,
): Promise<LocalBroker> {
  const broker = await startBroker({
    entities: {
      queues: [{ name: QUEUE, lockDurationMs }],
      topics: [{ name: TOPIC, subscriptions: [{ name: SUBSCRIPTION, lockDurationMs }] }],
    },
    key: CANARIES.busKey,
    interference: busGate.interference,
    ...(maxUnsettled === undefined ? {} : { maxUnsettled }),
    ...(port === undefined ? {} : { port }),
  });
  const client = new ServiceBusClient(broker.connectionString);
  await deferForeignMessages(client);
  await client.close();
  return broker;
}

/** Lists the secrets to look for, by the names that a finding gives them. */
function secretsOf(storage: string, token: string): Readonly<Record<string, string>> {
  return {
    "a message's body": CANARIES.body,
    "a message's property": CANARIES.property,
    "a message's content type": CANARIES.contentType,
    "the key of the bus": CANARIES.busKey,
    "the key of the storage account": /AccountKey=([^;]+)/.exec(storage)?.[1] ?? "",
    "the token of the cluster": token,
  };
}

async function takeAway(
  { server, how, ms }: Pick<Outage, "server" | "how" | "ms">,
  {
    broker,
    gates,
    pids,
  }: {
    readonly broker: LocalBroker;
    readonly gates: Readonly<Record<ServerName, Gate>>;
    readonly pids: Readonly<Record<"storage" | "cluster", readonly number[]>>;
  },
): Promise<void> {
  const gate = gates[server];
  if (server === "bus") {
    // The broker keeps its messages, as the service does. It drops its connections, its links and the calls under way.
    if (how === "refuses") await broker.stop();
    else gate.hang();
    await sleep(ms);
    if (how === "refuses") await broker.start();
    else gate.goOn();
    return;
  }
  if (how === "refuses") gate.close();
  else for (const pid of pids[server]) signal(pid, "SIGSTOP");
  await sleep(ms);
  gate.open();
  for (const pid of pids[server]) signal(pid, "SIGCONT");
}
