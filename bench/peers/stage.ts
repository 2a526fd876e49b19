import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { QueueConfig } from "../../local/broker/entities.ts";
import type { Binaries } from "../../real-cluster/binaries.ts";
import { defaultCacheRoot } from "../../real-cluster/cluster.ts";
import { recordOf } from "../../real-cluster/cluster-record.ts";
import { importImages } from "../../real-cluster/containerd-client.ts";
import { installKedaCrds, kedaVersion } from "../../real-cluster/keda-crds.ts";
import { makeKubectl } from "../../real-cluster/kubectl.ts";
import { ociArchive } from "../../real-cluster/oci-archive.ts";
import { programsOf } from "../../real-cluster/programs.ts";
import { type RealCluster, startRealCluster } from "../cluster/real-cluster.ts";
import type { Processes } from "../processes.ts";
import { startServers } from "../servers.ts";
import { flowSchemaOf } from "./account.ts";
import { startPeersBus } from "./bus.ts";
import { IMAGE, type Stage } from "./contender.ts";
import { DISPATCHER_QUEUES, moduleTexts } from "./dispatcher.ts";
import { KEDA_ACCOUNT, scaledJobQueues } from "./scaled-job.ts";
import { startWorkerReports } from "./worker-reports.ts";

/** A stage that can be taken down. */
export interface WholeStage extends Stage {
  readonly versions: { readonly kubernetes: string; readonly keda: string };
  stop(): Promise<void>;
}

/**
 * Starts a cluster whose node runs its pods, with the worker's image, KEDA's kinds and the accounts, and a bus and
 * storage beside it. Missing programs are built first, which takes minutes the first time.
 */
export async function setStage(
  processes: Processes,
  polls: readonly number[],
  progress: (what: string) => void,
): Promise<WholeStage> {
  const binaries = await programsOf(["kubernetes", "containerd", "keda", "queue-worker"]);
  const cluster = await startRealCluster(processes, { directory: await processes.directory(), say: progress });
  const { kubeconfig, gateway } = cluster.running;
  const record = await recordOf(kubeconfig, defaultCacheRoot(process.env));
  if (record === undefined) throw new Error(`the cluster of ${kubeconfig} is gone`);
  await importImages(record, binaries, await workerArchive(binaries));
  await installKedaCrds(kubeconfig, binaries);
  const kubectl = makeKubectl(binaries, kubeconfig);
  await kubectl(["apply", "--filename=-"], accounts(cluster.namespace));

  const reports = await startWorkerReports(gateway);
  const queues: QueueConfig[] = [...DISPATCHER_QUEUES, ...polls.flatMap(scaledJobQueues)];
  const bus = await startPeersBus(gateway, queues);
  const servers = await startServers(processes, {
    modules: moduleTexts(reports.url),
    body: "",
    startCluster: async () => cluster,
    startBus: async () => bus,
  });
  return {
    cluster,
    kubectl,
    servers,
    bus,
    reports,
    progress,
    record,
    binaries,
    versions: { kubernetes: await kubernetesVersion(cluster), keda: await kedaVersion() },
    async stop() {
      await servers.stop();
      await reports.close();
    },
  };
}

/** The worker's image, which holds its program and nothing else. */
async function workerArchive(binaries: Binaries): Promise<Buffer> {
  const content = await readFile(binaries["queue-worker"] ?? "queue-worker");
  const config = { Env: [], Entrypoint: ["/queue-worker"], User: "65532" };
  return ociArchive([
    { names: [IMAGE], files: [{ kind: "file", path: "queue-worker", mode: 0o755, content }], config },
  ]);
}

/** KEDA's account, which has all rights, as its own chart nearly gives it, and the counting of both accounts. */
function accounts(namespace: string): string {
  const subject = { kind: "ServiceAccount", name: KEDA_ACCOUNT, namespace };
  const items = [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: KEDA_ACCOUNT, namespace } },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: KEDA_ACCOUNT },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
      subjects: [subject],
    },
    ...["dispatcher", KEDA_ACCOUNT].map((name) => flowSchemaOf({ name, namespace })),
  ];
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}

async function kubernetesVersion({ admin }: RealCluster): Promise<string> {
  return z.object({ gitVersion: z.string() }).parse(JSON.parse(await admin.ask("GET", "/version"))).gitVersion;
}
