import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BrokerEntities } from "../local/broker/entities.ts";
import { kubeconfigText } from "../local/cluster/kubeconfig.ts";
import { type ClusterAccess, readAccess } from "../local/kit/cluster-access.ts";
import { busEntities } from "../local/stack/bus-entities.ts";
import { PROJECT_ROOT } from "../local/stack/project-root.ts";
import { withTablesAt } from "../local/table-server/start-table-server.ts";
import { type CountingProxy, countBus, countCluster, countHttp } from "./counting-proxy.ts";
import { distFile, type Processes, type Program } from "./processes.ts";
import { BODY, INSTANCE } from "./sample-run.ts";

/**
 * The queues of a bench. Each has a module of its name. There are several, because the emulated storage reads all rows
 * of a source for each row that it writes. A real table service doesn't.
 */
export const QUEUES = ["bench-1", "bench-2", "bench-3", "bench-4"] as const;
/** The queue of a bench that needs only one. */
export const QUEUE = QUEUES[0];
export const SOURCE = { queue: QUEUE } as const;
/** The namespace of the Jobs. */
export const NAMESPACE = "bench-jobs";
const TABLE = "BenchRuns";

/** How long a lock lasts. The real bus has the same time. */
const LOCK_DURATION_MS = 300_000;

/** Makes the text of the module that takes the messages of a queue. */
export const moduleOf = (queue: string, maxActive = 100_000) => `name: ${queue}
source: { queue: ${queue} }
maxActive: ${maxActive}
worker:
  image: busybox:1.36
  command: [sh, -c, "cat $DISPATCHER_MESSAGE_FILE"]
  resources: { requests: { cpu: 100m, memory: 64Mi }, limits: { memory: 128Mi } }
`;

/** What a process needs to know to use the servers. */
export interface Connections {
  readonly serviceBus: string;
  readonly storage: string;
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly modulesDir: string;
  readonly tableName: string;
  /** The names of the queues. Each has a module of its name. */
  readonly queues: readonly string[];
  /** The body of each message. */
  readonly body: string;
}

/** A cluster that was started for a bench. */
export interface ClusterServer {
  /** The path of a file that `readAccess` reads. */
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly pid: number;
  stop(): Promise<unknown>;
}

/** A bus that was started for a bench. */
export interface BusServer {
  readonly connectionString: string;
  readonly pid: number;
  stop(): Promise<unknown>;
}

/** What the servers are started with. */
interface Setup {
  /** The texts of the module files, by the names of their queues. A module has the name of its queue. */
  readonly modules: Readonly<Record<string, string>>;
  readonly body: string;
  /** Starts the cluster, with its files in `directory`. */
  startCluster(directory: string): Promise<ClusterServer>;
  /** Starts the bus with these entities; by default in a process of its own. */
  startBus?(entities: BrokerEntities): Promise<BusServer>;
  /** Where the tables are; by default beside the blobs. */
  readonly tableEndpoint?: string;
}

/** A bus, a storage and a cluster, each in processes of its own. They are empty at first. */
export interface Servers {
  readonly connections: Connections;
  readonly access: ClusterAccess;
  readonly pids: { readonly bus: number; readonly storage: number; readonly cluster: number };
  /** Starts the built app in the host of `host/`. */
  startApp(options: AppOptions): Promise<Program>;
  stop(): Promise<void>;
}

export interface AppOptions {
  /** When its timer ticks. */
  readonly schedule: string;
  /** Takes each line that it logs. */
  readonly onLine: (line: string) => void;
  /** Other ways to the same servers, such as proxies. */
  readonly connections?: Connections;
}

/** Gives the setup with the stub cluster, whose Jobs are stored and never run. */
function onStubCluster(processes: Processes): Setup {
  return {
    modules: Object.fromEntries(QUEUES.map((queue) => [queue, moduleOf(queue)])),
    body: BODY,
    startCluster: (directory) => startStubCluster(processes, directory),
  };
}

/** Starts the stub cluster, with its kubeconfig in `directory`. */
export async function startStubCluster(processes: Processes, directory: string): Promise<ClusterServer> {
  const kubeconfig = join(directory, "kubeconfig");
  const args = ["--kubeconfig", kubeconfig, "--namespace", NAMESPACE];
  const stub = await processes.start({ name: "cluster", program: "bench/stub-cluster.js", args });
  return { kubeconfig, namespace: NAMESPACE, pid: stub.pid, stop: () => stub.stop() };
}

/** Starts the servers. Rejects if one of them can't be started. */
export async function startServers(processes: Processes, setup = onStubCluster(processes)): Promise<Servers> {
  const directory = await processes.directory();
  const file = (name: string) => join(directory, name);
  const queues = Object.keys(setup.modules);
  await mkdir(file("modules"));
  for (const [name, text] of Object.entries(setup.modules)) await writeFile(file(`modules/${name}.yaml`), text);
  const sources = queues.map((queue) => ({ queue }));
  const entities = busEntities(sources, { lockDurationMs: LOCK_DURATION_MS, filters: {} });
  const [bus, storage, cluster] = await Promise.all([
    setup.startBus?.(entities) ?? startBus(processes, file("entities.json"), entities),
    processes.start({ name: "storage", program: "local/azurite/main.js" }),
    setup.startCluster(directory),
  ]);
  const storageOfAll = String(storage.ready["connectionString"]);
  const connections = {
    serviceBus: bus.connectionString,
    storage: setup.tableEndpoint === undefined ? storageOfAll : withTablesAt(setup.tableEndpoint, storageOfAll),
    kubeconfig: cluster.kubeconfig,
    namespace: cluster.namespace,
    modulesDir: file("modules"),
    tableName: TABLE,
    queues,
    body: setup.body,
  };
  return {
    connections,
    access: await readAccess(connections.kubeconfig),
    // Azurite runs in a child of the program that was started.
    pids: { bus: bus.pid, storage: Number(storage.ready["pid"]), cluster: cluster.pid },
    startApp: ({ schedule, onLine, connections: others }) =>
      processes.start({
        name: "app",
        program: "host/main.js",
        args: ["--app", distFile("functions/index.js"), "--host-json", join(PROJECT_ROOT, "host.json")],
        settings: { ...settingsOf(others ?? connections), RECONCILE_SCHEDULE: schedule },
        onLine,
        measureMemory: true,
      }),
    async stop() {
      for (const server of [cluster, storage, bus]) await server.stop();
    },
  };
}

async function startBus(processes: Processes, file: string, entities: BrokerEntities): Promise<BusServer> {
  await writeFile(file, JSON.stringify(entities));
  const args = ["--entities", file];
  const bus = await processes.start({ name: "bus", program: "local/broker/main.js", args });
  return { connectionString: String(bus.ready["connectionString"]), pid: bus.pid, stop: () => bus.stop() };
}

/** Gives the settings with which the app, or the command, reaches the servers. */
export function settingsOf(connections: Connections): Record<string, string> {
  return {
    ServiceBus: connections.serviceBus,
    AzureWebJobsStorage: connections.storage,
    KUBECONFIG: connections.kubeconfig,
    JOB_NAMESPACE: connections.namespace,
    MODULES_DIR: connections.modulesDir,
    DISPATCHER_TABLE: connections.tableName,
    DISPATCHER_INSTANCE: INSTANCE,
    LOCK_DURATION: `${LOCK_DURATION_MS / 1000}s`,
  };
}

/** Starts the program that calls the views. `look.ts` says what its arguments mean, and what it says. */
export function startLook(
  processes: Processes,
  connections: Connections,
  args: readonly string[],
  onLine: (line: string) => void,
): Promise<Program> {
  const settings = { ...settingsOf(connections), BENCH_CONNECTIONS: JSON.stringify(connections) };
  return processes.start({ name: "look", program: "bench/look.js", args, settings, onLine });
}

/** Starts the program of the bare calls. `bare.ts` says what its arguments mean. */
export function startBare(
  processes: Processes,
  connections: Connections,
  args: readonly string[],
  onLine: (line: string) => void,
): Promise<Program> {
  const settings = { BENCH_CONNECTIONS: JSON.stringify(connections) };
  return processes.start({ name: "bare", program: "bench/bare.js", args, settings, onLine, measureMemory: true });
}

/** How many requests each server got. */
export interface RequestCounts {
  readonly bus: number;
  readonly table: number;
  readonly cluster: number;
}

/** The same servers behind proxies that count. */
export interface CountedServers {
  readonly connections: Connections;
  counts(): RequestCounts;
  close(): Promise<void>;
}

/** Puts a counting proxy before each server. Requests that do not go through the proxies are not counted. */
export async function countRequests({ connections, access }: Servers): Promise<CountedServers> {
  const busPort = Number(/sb:\/\/[^:;/]+:(\d+)/.exec(connections.serviceBus)?.[1]);
  const tablePort = Number(/TableEndpoint=http:\/\/127\.0\.0\.1:(\d+)/.exec(connections.storage)?.[1]);
  const [bus, table, cluster] = await Promise.all([countBus(busPort), countHttp(tablePort), countCluster(access)]);
  const kubeconfig = `${connections.kubeconfig}-counted`;
  await rm(kubeconfig, { force: true });
  await writeFile(kubeconfig, kubeconfigText({ name: "bench", ...cluster.access }), { mode: 0o600, flag: "wx" });
  const all: readonly CountingProxy[] = [bus, table, cluster];
  return {
    connections: {
      ...connections,
      serviceBus: connections.serviceBus.replace(`:${busPort}`, `:${bus.port}`),
      storage: connections.storage.replace(/(TableEndpoint=http:\/\/127\.0\.0\.1:)\d+/, `$1${table.port}`),
      kubeconfig,
    },
    counts: () => ({ bus: bus.count(), table: table.count(), cluster: cluster.count() }),
    async close() {
      await Promise.all(all.map((proxy) => proxy.close()));
    },
  };
}

/** Gives the requests between two counts, divided by so many messages or ticks. */
export function countsPer(before: RequestCounts, after: RequestCounts, things: number): RequestCounts {
  const per = (server: keyof RequestCounts) => (after[server] - before[server]) / things;
  return { bus: per("bus"), table: per("table"), cluster: per("cluster") };
}
