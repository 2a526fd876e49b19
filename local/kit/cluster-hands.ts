import {
  BatchV1Api,
  CoreV1Api,
  type KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  type V1Job,
} from "@kubernetes/client-node";

/**
 * The things that people and the cluster itself do to Jobs. The port `JobCluster` has no method for them, because the
 * product never does them.
 */
export interface ClusterHands {
  label(jobName: string, labels: Readonly<Record<string, string>>): Promise<void>;
  suspend(jobName: string, suspend: boolean): Promise<void>;
  deletePod(podName: string): Promise<void>;
  evict(podName: string): Promise<void>;
  deleteJob(jobName: string): Promise<void>;
  create(job: V1Job): Promise<void>;
  createSecret(name: string, data: Readonly<Record<string, string>>): Promise<void>;
}

const MERGE_PATCH = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);

/** Makes the hands of a client that may do everything in a namespace of this cluster. */
export function clusterHands(kubeConfig: KubeConfig, namespace: string): ClusterHands {
  const batch = kubeConfig.makeApiClient(BatchV1Api);
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const patch = async (name: string, body: object): Promise<void> => {
    await batch.patchNamespacedJob({ name, namespace, body }, MERGE_PATCH);
  };
  return {
    label: (jobName, labels) => patch(jobName, { metadata: { labels } }),
    suspend: (jobName, suspend) => patch(jobName, { spec: { suspend } }),
    async deletePod(name) {
      await core.deleteNamespacedPod({ name, namespace });
    },
    async evict(name) {
      const body = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace } };
      await core.createNamespacedPodEviction({ name, namespace, body });
    },
    async deleteJob(name) {
      await batch.deleteNamespacedJob({ name, namespace, propagationPolicy: "Background" });
    },
    async create(job) {
      await batch.createNamespacedJob({ namespace, body: job });
    },
    async createSecret(name, stringData) {
      await core.createNamespacedSecret({ namespace, body: { metadata: { name }, stringData } });
    },
  };
}
