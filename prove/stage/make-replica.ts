import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { LocalBroker } from "../../local/broker/start-broker.ts";
import type { Certificate } from "../../local/cluster/certificate.ts";
import { kubeconfigText } from "../../local/cluster/kubeconfig.ts";
import type { ClusterAccess } from "../../local/kit/cluster-access.ts";
import { type Listening, listen } from "../../local/kit/listen.ts";
import { neededEnvironment } from "../../local/stack/own-environment.ts";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import type { BusGate } from "../faults/bus-gate.ts";
import type { CallHandler } from "../faults/call.ts";
import { known, type ServerName } from "../faults/edges.ts";
import { startFaultProxy } from "../faults/fault-proxy.ts";
import type { Gate } from "../faults/gate.ts";
import { blobEdge, clusterEdge, isWorkersRead, tableEdges } from "../faults/http-edge.ts";
import { startSettlementProxy } from "../faults/settlement-proxy.ts";
import { ReplicaProcess } from "./replica-process.ts";

export const INSTANCE = "proof";

/** Where the tables and the blobs are. */
export interface Storage {
  readonly connectionString: string;
  readonly tablePort: number;
  readonly blobPort: number;
}

export interface ReplicaSetup {
  /** The replica's number, counted from 0. */
  readonly index: number;
  /** The built app. */
  readonly app: string;
  /** The built host that runs it. */
  readonly host: string;
  /** The directory for its kubeconfig. */
  readonly directory: string;
  readonly modulesDir: string;
  readonly tableName: string;
  readonly lockMs: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly servers: {
    readonly broker: LocalBroker;
    readonly storage: Storage;
    readonly cluster: ClusterAccess;
  };
  readonly gates: Readonly<Record<ServerName, Gate>>;
  readonly busGate: BusGate;
  readonly handler: () => CallHandler;
  /** The certificate that the proxy before the cluster shows. */
  readonly certificate: Certificate;
  readonly onLine: (who: string, line: string) => void;
  readonly onDeath: (words: string) => void;
  /** Has something ended when the stage closes. */
  readonly atEnd: (cleanUp: () => Promise<unknown>) => void;
}

/** Makes one replica, with a proxy of its own before each server. The replica is not started yet. */
export async function makeReplica(setup: ReplicaSetup): Promise<ReplicaProcess> {
  const { index, app, host, environment, onLine, onDeath } = setup;
  const name = `replica ${index + 1}`;
  const settings = await settingsOf(setup, await openProxies(setup));
  return new ReplicaProcess({
    name,
    program: host,
    args: ["--app", app, "--host-json", join(PROJECT_ROOT, "host.json")],
    env: { ...neededEnvironment(process.env), ...settings, ...(await settlementService(setup)), ...environment },
    onLine: (line) => onLine(name, line),
    onDeath,
  });
}

/**
 * Gives the replica's host a Settlement service, as a Functions host has one. Only a build of the app that looks for one
 * calls it.
 */
async function settlementService({ index, handler, atEnd }: ReplicaSetup): Promise<Record<string, string>> {
  const { port, close } = await listen(createServer());
  await close();
  const proxy = await startSettlementProxy({ replica: index, handler, to: port });
  atEnd(() => proxy.close());
  return {
    NODE_OPTIONS: `--import=${pathToFileURL(join(PROJECT_ROOT, "dist/prove/settlement/preload.js")).href}`,
    PROOF_SETTLEMENT_PORT: String(port),
    PROOF_SETTLEMENT_URI: `http://127.0.0.1:${proxy.port}`,
  };
}

/** The ports over which one replica reaches its servers. */
interface Proxies {
  readonly tables: Listening;
  readonly blobs: Listening;
  readonly cluster: Listening;
  readonly bus: Listening;
}

async function openProxies({
  index,
  servers,
  gates,
  busGate,
  handler,
  certificate,
  atEnd,
}: ReplicaSetup): Promise<Proxies> {
  const { broker, storage, cluster: access } = servers;
  const common = { replica: index, handler };
  const [tables, blobs, cluster, bus] = await Promise.all([
    startFaultProxy({
      ...common,
      server: "storage",
      gate: gates.storage,
      target: `http://127.0.0.1:${storage.tablePort}`,
      edgesOf: tableEdges,
    }),
    startFaultProxy({
      ...common,
      server: "storage",
      gate: gates.storage,
      target: `http://127.0.0.1:${storage.blobPort}`,
      edgesOf: (call) => known(blobEdge(call)),
      isFromWorker: isWorkersRead,
    }),
    startFaultProxy({
      ...common,
      server: "cluster",
      gate: gates.cluster,
      target: access.server,
      edgesOf: (call) => known(clusterEdge(call)),
      tls: { ...certificate, ca: access.ca },
    }),
    busGate.open(index, broker.port, gates.bus),
  ]);
  for (const proxy of [tables, blobs, cluster, bus]) atEnd(() => proxy.close());
  return { tables, blobs, cluster, bus };
}

async function settingsOf(setup: ReplicaSetup, proxies: Proxies): Promise<Record<string, string>> {
  const { broker, storage, cluster } = setup.servers;
  const kubeconfig = join(setup.directory, `kubeconfig-${setup.index}`);
  const access = { ...cluster, server: `https://127.0.0.1:${proxies.cluster.port}`, ca: setup.certificate.cert };
  await writeFile(kubeconfig, kubeconfigText({ name: "proof", ...access }), { mode: 0o600 });
  return {
    ServiceBus: broker.connectionString.replace(`:${broker.port}`, `:${proxies.bus.port}`),
    AzureWebJobsStorage: storage.connectionString
      .replace(`:${storage.tablePort}`, `:${proxies.tables.port}`)
      .replace(`:${storage.blobPort}`, `:${proxies.blobs.port}`),
    KUBECONFIG: kubeconfig,
    JOB_NAMESPACE: cluster.namespace,
    MODULES_DIR: setup.modulesDir,
    DISPATCHER_TABLE: setup.tableName,
    DISPATCHER_INSTANCE: INSTANCE,
    LOCK_DURATION: `${setup.lockMs}ms`,
    // The shortest time that the app allows, so that a Job's name is free again soon.
    JOB_RETENTION: "2m",
    // Every replica runs its own timer, and all timers fire at once.
    RECONCILE_SCHEDULE: "*/2 * * * * *",
  };
}
