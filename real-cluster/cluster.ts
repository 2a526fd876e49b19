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
  /** All that a cluster keeps, programs included, is below it. */
  readonly cacheRoot: string;
  /** `KUBEBUILDER_ASSETS`. */
  readonly assets: string | undefined;
  /** The cluster is this process's own: another start ends it if this process is killed. */
  readonly isOwned: boolean;
  /** Told what is being done, for a person who waits. */
  readonly say: (line: string) => void;
  /** So many nodes that only say that they run their pods, instead of one that does. */
  readonly fakeNodes?: number;
  /** Gives the start up, as if it had failed. */
  readonly signal?: AbortSignal;
}

/** A cluster that runs. */
export type RunningCluster = Pick<ClusterRecord, "name" | "kubeconfig" | "gateway" | "directory" | "processes">;

const READY_TIMEOUT_MS = 120_000;

/** Where programs and clusters are kept unless told otherwise: outside the checkout, the user's. */
export function defaultCacheRoot(env: Readonly<Record<string, string | undefined>>): string {
  return join(env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "dispatcher-cluster");
}

/**
 * Starts a Kubernetes cluster, of one node or of fake ones, that outlives this process, building its programs where they are missing, and
 * resolves when it can run Jobs. One of that name that runs already is the answer; one that has fallen apart is ended first. A start that
 * fails takes down what it started, and throws an Error that says what failed or what the machine lacks.
 */
export async function startCluster(options: ClusterOptions): Promise<RunningCluster> {
  const { name, cacheRoot, assets, say, fakeNodes, signal = new AbortController().signal } = options;
  const directory = join(runRoot(cacheRoot), name);
  await endAbandoned(cacheRoot, say);
  const existing = await readRecord(directory);
  if (existing?.stage === "starting")
    throw new Error(`Cluster ${name} is being started by process ${existing.by.pid}.`);
  if (existing?.processes.every(isRunning) === true) return existing;
  if (existing) {
    say(`cluster ${name} has fallen apart: ending what is left of it`);
    await endCluster(existing, cacheRoot);
  }

  const sources: BinarySources =
    fakeNodes === undefined ? { cacheRoot, assets } : { cacheRoot, assets, families: ["etcd", "kubernetes", "kwok"] };
  const machine = await inspectMachine(cacheRoot, await missingBinary(sources));
  const binaries = await buildBinaries(sources, { say, signal });
  const network = await choosePodNetwork();
  if (!(await claim(directory)))
    throw new Error(
      `${directory} exists, and is no cluster's: another start has just made it, or it is to be removed.`,
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
  // Whatever is being waited for has ended then, and nothing more is started.
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

/** Ends the cluster of that name and all that belongs to it; false where there is none. */
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

/** As they were before there was any cluster: the last one to end puts them back. */
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
  // Only now: neither may be left starting while all is taken down.
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

/** Ready, and known to be so by the scheduler: a taint goes a moment later. */
async function isNodeReady(core: CoreV1Api): Promise<boolean> {
  const { status, spec } = await core.readNode({ name: NODE_NAME });
  const isReady = status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
  return isReady && (spec?.taints ?? []).length === 0;
}

/** Pods are refused in a namespace that has no ServiceAccount yet. */
async function hasIdentity(core: CoreV1Api): Promise<boolean> {
  await core.readNamespacedServiceAccount({ name: "default", namespace: "default" });
  return true;
}
