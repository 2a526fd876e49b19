import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { kubeconfigText } from "../../local/cluster/kubeconfig.ts";
import { BareCluster, type ClusterAccess, readAccess } from "../../local/kit/cluster-access.ts";
import { defaultCacheRoot, type RunningCluster, startCluster, stopCluster } from "../../real-cluster/cluster.ts";
import { makeAccount } from "../../real-cluster/service-account.ts";
import { RIGHTS } from "../../shared/ports/rights.ts";
import type { Processes } from "../processes.ts";
import type { ClusterServer } from "../servers.ts";

const NAMESPACE = "bench-jobs";

/** A cluster that a bench has started. */
export interface RealCluster extends ClusterServer {
  readonly running: RunningCluster;
  /** The ids of its processes, by their names. */
  readonly pids: Readonly<Record<string, number>>;
  /** Access with all rights, because the Dispatcher's ServiceAccount may not write the status of Jobs. */
  readonly admin: BareCluster;
}

export interface RealClusterOptions {
  /** Where the kubeconfig is written. */
  readonly directory: string;
  readonly say: (line: string) => void;
  /** Starts this many nodes that only say that they run their pods, instead of one that runs them. */
  readonly fakeNodes?: number;
}

/**
 * Starts a cluster, with a namespace and a ServiceAccount that has the documented Role. A client with all rights would
 * be spared the server's checks of rights and its fair queues. The kubeconfig in `directory` holds the ServiceAccount's
 * token, which lasts for an hour.
 */
export async function startRealCluster(
  processes: Processes,
  { directory, ...options }: RealClusterOptions,
): Promise<RealCluster> {
  const name = `bench-${process.pid}`;
  const cacheRoot = defaultCacheRoot(process.env);
  const assets = process.env["KUBEBUILDER_ASSETS"] || undefined;
  const stop = () => stopCluster(name, cacheRoot);
  const cluster = await startCluster({ name, cacheRoot, assets, isOwned: true, ...options });
  processes.atEnd(stop);
  const access = { ...(await readAccess(cluster.kubeconfig)), namespace: NAMESPACE };
  const kubeconfig = join(directory, "kubeconfig");
  await addNamespace(cluster, access, kubeconfig);
  const pids = Object.fromEntries(cluster.processes.map(({ name, pid }) => [name, pid]));
  const admin = new BareCluster(access);
  return {
    running: cluster,
    kubeconfig,
    namespace: NAMESPACE,
    pid: pids["kube-apiserver"] ?? 0,
    pids,
    admin,
    async stop() {
      admin.close();
      await stop();
    },
  };
}

/** A namespace in which the Dispatcher has the documented rights. */
export interface BenchNamespace {
  readonly namespace: string;
  /** The path of a kubeconfig that has these rights. */
  readonly kubeconfig: string;
  /** Access with all rights. */
  readonly admin: BareCluster;
}

/** Does something in a namespace of its own, and has the cluster remove it afterwards with all that is in it. */
export async function withNamespace<T>(
  { running, kubeconfig }: RealCluster,
  act: (made: BenchNamespace) => Promise<T>,
): Promise<T> {
  const namespace = `${NAMESPACE}-${randomUUID().slice(0, 8)}`;
  const access = { ...(await readAccess(running.kubeconfig)), namespace };
  const own = join(dirname(kubeconfig), namespace);
  await addNamespace(running, access, own);
  const admin = new BareCluster(access);
  const result = await act({ namespace, kubeconfig: own, admin });
  admin.close();
  await adminOf(running).makeApiClient(CoreV1Api).deleteNamespace({ name: namespace });
  return result;
}

/** Makes a namespace, and writes a kubeconfig of its Dispatcher. */
async function addNamespace(cluster: RunningCluster, access: ClusterAccess, kubeconfig: string): Promise<void> {
  const { namespace } = access;
  const kubeConfig = adminOf(cluster);
  await kubeConfig.makeApiClient(CoreV1Api).createNamespace({ body: { metadata: { name: namespace } } });
  const account = await makeAccount(kubeConfig, namespace, RIGHTS);
  const text = kubeconfigText({ name: "bench", ...access, token: await account.token() });
  await writeFile(kubeconfig, text, { mode: 0o600, flag: "wx" });
}

function adminOf({ kubeconfig }: RunningCluster): KubeConfig {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(kubeconfig);
  return kubeConfig;
}
