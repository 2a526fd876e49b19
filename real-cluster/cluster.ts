import { homedir } from "node:os";
import { join } from "node:path";
import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { type Binaries, type BinarySources, buildBinaries, missingBinary } from "./binaries.ts";
import { makeCgroup } from "./cgroups.ts";
import {
  allRecords,
  type ClusterRecord,
  claim,
  isAbandoned,
  readRecord,
  runRoot,
  writeRecord,
} from "./cluster-record.ts";
import { type ControlPlanePorts, startApiServer, startControllers } from "./control-plane.ts";
import { makeCredentials, NODE_NAME } from "./credentials.ts";
import { endCluster } from "./end-cluster.ts";
import { startFakeNodes } from "./fake-nodes.ts";
import { startForwarder } from "./forwarder.ts";
import { readKernelSettings } from "./kernel-settings.ts";
import { inspectMachine, type Machine } from "./machine.ts";
import { choosePodNetwork, freePorts, makeBridge, type PodNetwork } from "./network.ts";
import { startContainerd, startKubelet } from "./node.ts";
import { isRunning, killProcesses, ownProcessId, waitUntilReady } from "./server-process.ts";
import { makeStartPart } from "./start-part.ts";

export interface ClusterOptions {
  readonly name: string;
  /** The directory below which a cluster keeps everything, programs included. */
  readonly cacheRoot: string;
  /** The value of `KUBEBUILDER_ASSETS`. */
  readonly assets: string | undefined;
  /** Whether the cluster belongs to this process. If this process is killed, the next start ends such a cluster. */
  readonly isOwned: boolean;
  /** Called with each step, for a person who waits. */
  readonly say: (line: string) => void;
  /** Starts this many nodes that only pretend to run their pods, instead of one that runs them. */
  readonly fakeNodes?: number;
  /** Gives up the start, as if it had failed. */
  readonly signal?: AbortSignal;
}

/** A cluster that runs. */
export type RunningCluster = Pick<ClusterRecord, "name" | "kubeconfig" | "gateway" | "directory" | "processes">;

const READY_TIMEOUT_MS = 120_000;

/** The directory of programs and clusters by default. It is the user's, outside of the checkout. */
export function defaultCacheRoot(env: Readonly<Record<string, string | undefined>>): string {
  return join(env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "dispatcher-cluster");
}

/**
 * Starts a Kubernetes cluster, of one node or of fake ones, that outlives this process, and resolves when it can run
 * Jobs. Missing programs are built first. If a cluster of that name runs already, it is returned; if parts of it are
 * gone, the rest is ended first. A start that fails takes down what it started, and throws an Error that says what
 * failed or what the machine lacks.
 */
export async function startCluster(options: ClusterOptions): Promise<RunningCluster> {
  const { name, cacheRoot, assets, say, fakeNodes, signal = new AbortController().signal } = options;
  const directory = join(runRoot(cacheRoot), name);
  await endAbandoned(cacheRoot, say);
  const existing = await readRecord(directory);
  if (existing?.stage === "starting")
    throw new Error(
      `Process ${existing.by.pid} is just starting cluster ${name}. Wait until it is up, or end that process.`,
    );
  if (existing?.processes.every(isRunning) === true) return existing;
  if (existing) {
    say(`some parts of cluster ${name} are gone; ending the rest`);
    await endCluster(existing, cacheRoot);
  }

  const sources: BinarySources =
    fakeNodes === undefined ? { cacheRoot, assets } : { cacheRoot, assets, families: ["etcd", "kubernetes", "kwok"] };
  const machine = await inspectMachine(cacheRoot, await missingBinary(sources));
  const binaries = await buildBinaries(sources, { say, signal });
  const network = await choosePodNetwork();
  if (!(await claim(directory)))
    throw new Error(
      `${directory} exists, but has no cluster's record. Another start may just have made it. If none is running, remove it.`,
    );
  const record: ClusterRecord = {
    name,
    directory,
    startedAt: new Date().toISOString(),
    stage: "starting",
    by: ownProcessId(),
    isOwned: options.isOwned,
    kubeconfig: join(directory, "keys", "admin.kubeconfig"),
    gateway: network.gateway,
    bridge: network.bridge,
    cgroup: network.bridge,
    processes: [],
    sysctls: await settingsBefore(cacheRoot),
  };
  writeRecord(record);
  // Ends the process that the start waits for, so that nothing more is started.
  const giveUp = () => void killProcesses(record.processes);
  signal.addEventListener("abort", giveUp);
  try {
    await startParts(record, { binaries, machine, network, fakeNodes, signal });
    signal.throwIfAborted();
    record.stage = "up";
    writeRecord(record);
    return record;
  } catch (error) {
    await endCluster(record, cacheRoot);
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** Ends the cluster of that name and all that belongs to it. False if there is none. */
export async function stopCluster(name: string, cacheRoot: string): Promise<boolean> {
  const record = await readRecord(join(runRoot(cacheRoot), name));
  if (record) await endCluster(record, cacheRoot);
  return record !== undefined;
}

async function endAbandoned(cacheRoot: string, say: (line: string) => void): Promise<void> {
  for (const record of await allRecords(cacheRoot)) {
    if (!isAbandoned(record)) continue;
    say(`ending cluster ${record.name}, which process ${record.by.pid} left behind`);
    await endCluster(record, cacheRoot);
  }
}

/** The kernel's settings before there was any cluster. The last cluster to end puts them back. */
async function settingsBefore(cacheRoot: string): Promise<Record<string, string>> {
  const [other] = await allRecords(cacheRoot);
  return other?.sysctls ?? (await readKernelSettings());
}

interface StartFacts {
  readonly binaries: Binaries;
  readonly machine: Machine;
  readonly network: PodNetwork;
  readonly fakeNodes: number | undefined;
  readonly signal: AbortSignal;
}

async function startParts(record: ClusterRecord, facts: StartFacts): Promise<void> {
  const { binaries, machine, network, fakeNodes, signal } = facts;
  const [etcd = 0, etcdPeer = 0, apiServer = 0, controllerManager = 0, scheduler = 0, kubelet = 0, health = 0] =
    await freePorts(7);
  const ports: ControlPlanePorts = { etcd, etcdPeer, apiServer, controllerManager, scheduler };
  const server = `https://127.0.0.1:${apiServer}`;
  const keys = await makeCredentials(join(record.directory, "keys"), server, [network.gateway, network.apiService]);
  await makeBridge(network);
  await makeCgroup(record.cgroup);
  const start = await makeStartPart(record, binaries, signal);
  const parts = { record, binaries, network, keys, ...machine };
  const both = await Promise.allSettled([
    startApiServer(start, ports, keys, { directory: record.directory, services: network.services }),
    fakeNodes === undefined ? startContainerd(start, parts) : undefined,
  ]);
  // Throws only now, when both have ended, because neither may still be starting while everything is taken down.
  for (const result of both) if (result.status === "rejected") throw result.reason;
  const core = adminApi(record.kubeconfig);
  if (fakeNodes !== undefined) {
    await startControllers(start, ports, keys);
    await startFakeNodes(start, core, { record, network, keys, port: kubelet, count: fakeNodes });
    return;
  }
  await startForwarder(start, network.apiService, apiServer);
  await startControllers(start, ports, keys);
  const node = await startKubelet(start, parts, kubelet, health);
  await waitUntilReady(node, READY_TIMEOUT_MS, async () => (await isNodeReady(core)) && (await hasIdentity(core)));
}

function adminApi(kubeconfig: string): CoreV1Api {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(kubeconfig);
  return kubeConfig.makeApiClient(CoreV1Api);
}

/** Whether the node is ready, and the scheduler knows it. A taint goes a moment after the condition. */
async function isNodeReady(core: CoreV1Api): Promise<boolean> {
  const { status, spec } = await core.readNode({ name: NODE_NAME });
  const isReady = status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
  return isReady && (spec?.taints ?? []).length === 0;
}

/** Rejects until the namespace has its ServiceAccount, because the API server refuses pods before. */
async function hasIdentity(core: CoreV1Api): Promise<boolean> {
  await core.readNamespacedServiceAccount({ name: "default", namespace: "default" });
  return true;
}
