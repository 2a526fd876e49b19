import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { kubeconfigText } from "../../local/cluster/kubeconfig.ts";
import { BareCluster, readAccess } from "../../local/kit/cluster-access.ts";
import { defaultCacheRoot, type RunningCluster, startCluster, stopCluster } from "../../real-cluster/cluster.ts";
import { makeAccount } from "../../real-cluster/service-account.ts";
import { RIGHTS } from "../../shared/ports/rights.ts";
import type { Processes } from "../processes.ts";
import type { ClusterServer } from "../servers.ts";
import { type ApiServerUse, readUse } from "./api-server-use.ts";

const NAMESPACE = "bench-jobs";

/** A cluster that a bench has started. */
export interface RealCluster extends ClusterServer {
  readonly running: RunningCluster;
  /** The ids of its processes, by their names. */
  readonly pids: Readonly<Record<string, number>>;
  /** Access with all rights, because the Dispatcher's ServiceAccount may not write the status of Jobs. */
  readonly admin: BareCluster;
  /** Reads what the API server has done so far. */
  use(): Promise<ApiServerUse>;
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
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(cluster.kubeconfig);
  await kubeConfig.makeApiClient(CoreV1Api).createNamespace({ body: { metadata: { name: NAMESPACE } } });
  const account = await makeAccount(kubeConfig, NAMESPACE, RIGHTS);
  const access = await readAccess(cluster.kubeconfig);
  const kubeconfig = join(directory, "kubeconfig");
  const own = { ...access, token: await account.token(), namespace: NAMESPACE };
  await writeFile(kubeconfig, kubeconfigText({ name: "bench", ...own }), { mode: 0o600, flag: "wx" });
  const pids = Object.fromEntries(cluster.processes.map(({ name, pid }) => [name, pid]));
  const admin = new BareCluster({ ...access, namespace: NAMESPACE });
  return {
    running: cluster,
    kubeconfig,
    namespace: NAMESPACE,
    pid: pids["kube-apiserver"] ?? 0,
    pids,
    admin,
    use: async () => readUse(await admin.ask("GET", "/metrics", { accept: "text/plain" })),
    async stop() {
      admin.close();
      await stop();
    },
  };
}
