import { rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBusClient } from "@azure/service-bus";
import { startAzurite } from "../../local/azurite/start-azurite.ts";
import { type LocalBroker, startBroker } from "../../local/broker/start-broker.ts";
import { makeCertificate } from "../../local/cluster/certificate.ts";
import { kubeconfigText } from "../../local/cluster/kubeconfig.ts";
import { readAccess } from "../../local/kit/cluster-access.ts";
import { SecretSearch } from "../../local/kit/secret-search.ts";
import { neededEnvironment } from "../../local/stack/own-environment.ts";
import { startPart } from "../../local/stack/part.ts";
import { PROJECT_ROOT } from "../../local/stack/project-root.ts";
import type { Finding } from "../audit/audit.ts";
import type { Servers } from "../audit/books.ts";
import { LeakyLines } from "../audit/leaky-lines.ts";
import { searchLeaks } from "../audit/search-leaks.ts";
import { BusGate } from "../faults/bus-gate.ts";
import type { Conductor } from "../faults/director.ts";
import { known, type ServerName } from "../faults/edges.ts";
import { startFaultProxy } from "../faults/fault-proxy.ts";
import { Gate } from "../faults/gate.ts";
import { blobEdge, clusterEdge, isWorkersRead, tableEdges } from "../faults/http-edge.ts";
import type { Outage } from "../faults/plan.ts";
import { CANARIES } from "./canaries.ts";
import { DispatcherProcess, signal } from "./dispatcher-process.ts";
import { QUEUE, SUBSCRIPTION, TOPIC } from "./kinds.ts";
import { writeModules } from "./proof-modules.ts";
import { deferStrangers, STRANGERS } from "./sender.ts";

const NAMESPACE = "proof-jobs";
const INSTANCE = "proof";
const TABLE = "ProofRuns";

export interface StageOptions {
  /** How many Dispatchers share the work. */
  readonly processes: number;
  /** Of the bus's entities, and of the app's setting. */
  readonly lockMs: number;
  /** The built app. */
  readonly app: string;
  /** Whoever decides what becomes of each call. Asked for with each, for there is one only when all is up. */
  readonly director: () => Conductor;
  /** Each line that a process writes. */
  readonly onLine: (who: string, line: string) => void;
  /** What a Dispatcher's environment has beside its settings. */
  readonly environmentOf?: (slot: number) => Readonly<Record<string, string>>;
  /** A Dispatcher ended by itself, and with what words. */
  readonly onDeath: (words: string) => void;
}

/** Bus, storage, cluster and the Dispatchers, with the faults' places between them. */
export interface Stage {
  readonly dispatchers: readonly DispatcherProcess[];
  readonly servers: Servers;
  /** The Dispatchers' ways to their servers. */
  readonly gates: Readonly<Record<ServerName, Gate>>;
  /** The images that can't be pulled from here on. */
  loseImages(images: readonly string[]): Promise<void>;
  /** Messages on the bus that have not ended; strangers don't count. */
  openMessages(): number;
  /** Every entity of the bus is deleted and made again: it is empty, and numbers from 1. */
  recreateBus(): Promise<void>;
  /** What the Dispatchers have written, up to now and wherever, that nobody but a pod may see. */
  leaks(): Promise<Finding[]>;
  /** Has a server away for every Dispatcher. Resolves when it is back. */
  away(outage: Pick<Outage, "server" | "how" | "ms">): Promise<void>;
  close(): Promise<void>;
}

/** Starts everything. Whatever was started ends with `close`, in the order of need. */
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
  const ledger = join(directory, "ledger");
  const modulesDir = join(directory, "modules");
  const missingImages = join(directory, "missing-images");
  await writeFile(ledger, "");
  await writeFile(missingImages, "");
  await writeModules(modulesDir, ledger);
  const gates: Record<ServerName, Gate> = { bus: new Gate(), storage: new Gate(), cluster: new Gate() };

  const busGate = new BusGate(options.director);
  const lockDurationMs = options.lockMs;
  const startBus = async (port?: number) => {
    const started = await startBroker({
      entities: {
        queues: [{ name: QUEUE, lockDurationMs }],
        topics: [{ name: TOPIC, subscriptions: [{ name: SUBSCRIPTION, lockDurationMs }] }],
      },
      interference: busGate.interference,
      ...(port === undefined ? {} : { port }),
    });
    const sender = new ServiceBusClient(started.connectionString);
    await deferStrangers(sender);
    await sender.close();
    return started;
  };
  let broker = await startBus();
  cleanUps.push(() => broker.close());
  const azurite = await startAzurite();
  cleanUps.push(() => azurite.close());
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
  const certificate = await makeCertificate();
  const search = new SecretSearch(secretsOf(azurite.connectionString, access.token));
  const lines = new LeakyLines(search);

  const dispatchers: DispatcherProcess[] = [];
  for (let slot = 0; slot < options.processes; slot += 1) {
    const common = { slot, director: options.director };
    const proxies = await Promise.all([
      startFaultProxy({
        ...common,
        server: "storage",
        gate: gates.storage,
        target: `http://127.0.0.1:${azurite.tablePort}`,
        edgesOf: tableEdges,
      }),
      startFaultProxy({
        ...common,
        server: "storage",
        gate: gates.storage,
        target: `http://127.0.0.1:${azurite.blobPort}`,
        edgesOf: (call) => known(blobEdge(call)),
        isStrangers: isWorkersRead,
      }),
      startFaultProxy({
        ...common,
        server: "cluster",
        gate: gates.cluster,
        target: access.server,
        edgesOf: (call) => known(clusterEdge(call)),
        tls: { ...certificate, ca: access.ca },
      }),
      busGate.open(slot, broker.port, gates.bus),
    ]);
    for (const proxy of proxies) cleanUps.push(() => proxy.close());
    const [tables, blobs, jobs, bus] = proxies;
    const kubeconfig = join(directory, `kubeconfig-${slot}`);
    const ownAccess = { ...access, server: `https://127.0.0.1:${jobs.port}`, ca: certificate.cert };
    await writeFile(kubeconfig, kubeconfigText({ name: "proof", ...ownAccess }), { mode: 0o600 });
    const name = `dispatcher ${slot + 1}`;
    dispatchers.push(
      new DispatcherProcess({
        name,
        program: join(PROJECT_ROOT, "dist/host/main.js"),
        args: ["--app", options.app, "--host-json", join(PROJECT_ROOT, "host.json")],
        env: {
          ...neededEnvironment(process.env),
          ServiceBus: broker.connectionString
            .replace(`:${broker.port}`, `:${bus.port}`)
            // The broker opens to any key.
            .replace(/SharedAccessKey=[^;]+/, `SharedAccessKey=${CANARIES.busKey}`),
          AzureWebJobsStorage: azurite.connectionString
            .replace(`:${azurite.tablePort}`, `:${tables.port}`)
            .replace(`:${azurite.blobPort}`, `:${blobs.port}`),
          KUBECONFIG: kubeconfig,
          JOB_NAMESPACE: NAMESPACE,
          MODULES_DIR: modulesDir,
          DISPATCHER_TABLE: TABLE,
          DISPATCHER_INSTANCE: INSTANCE,
          LOCK_DURATION: `${lockDurationMs}ms`,
          // The shortest that the app allows: a Job's name is free again soonest.
          JOB_RETENTION: "2m",
          // Every process runs its own timer: as many reconcilers at once as there are processes.
          RECONCILE_SCHEDULE: "*/2 * * * * *",
          ...options.environmentOf?.(slot),
        },
        onLine: (line) => {
          lines.note(name, line);
          options.onLine(name, line);
        },
        onDeath: (words) => options.onDeath(search.crossedOut(words)),
      }),
    );
  }
  const killNow = () => {
    for (const dispatcher of dispatchers) dispatcher.killNow();
    signal(azurite.pid, "SIGCONT");
    signal(cluster.pid, "SIGCONT");
    rmSync(directory, { recursive: true, force: true });
  };
  process.once("exit", killNow);
  cleanUps.push(async () => process.off("exit", killNow));
  cleanUps.push(() => Promise.all(dispatchers.map((dispatcher) => dispatcher.stop())));
  await Promise.all(dispatchers.map((dispatcher) => dispatcher.start()));

  const servers: Servers = {
    serviceBus: broker.connectionString,
    storage: azurite.connectionString,
    tableName: TABLE,
    cluster: access,
    ledger,
  };
  return {
    dispatchers,
    servers,
    gates,
    loseImages: (images) => writeFile(missingImages, images.join("\n")),
    openMessages: () =>
      Object.values(broker.counts()).reduce((sum, { active, deferred }) => sum + active + deferred, -STRANGERS),
    recreateBus: async () => {
      gates.bus.close();
      await broker.close();
      broker = await startBus(broker.port);
      gates.bus.open();
    },
    leaks: async () => [...lines.findings, ...(await searchLeaks(servers, search))],
    away: (outage) => beAway(outage, { broker, gates, pids: { storage: azurite.pid, cluster: cluster.pid } }),
    close,
  };
}

/** By what a finding calls them. */
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

async function beAway(
  { server, how, ms }: Pick<Outage, "server" | "how" | "ms">,
  {
    broker,
    gates,
    pids,
  }: {
    readonly broker: LocalBroker;
    readonly gates: Readonly<Record<ServerName, Gate>>;
    readonly pids: Readonly<Record<"storage" | "cluster", number>>;
  },
): Promise<void> {
  const gate = gates[server];
  if (server === "bus") {
    // Its messages stay, as the service's do; connections, links and what is under way don't.
    if (how === "refuses") await broker.stop();
    else gate.hang();
    await sleep(ms);
    if (how === "refuses") await broker.start();
    else gate.goOn();
    return;
  }
  if (how === "refuses") gate.close();
  else signal(pids[server], "SIGSTOP");
  await sleep(ms);
  gate.open();
  signal(pids[server], "SIGCONT");
}
