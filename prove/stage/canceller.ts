import { setTimeout as sleep } from "node:timers/promises";
import { BatchV1Api, KubeConfig } from "@kubernetes/client-node";
import { kubeconfigText } from "../../local/cluster/kubeconfig.ts";
import type { ClusterAccess } from "../../local/kit/cluster-access.ts";
import { clusterHands } from "../../local/kit/cluster-hands.ts";

const LOOK_MS = 500;

/**
 * Plays the person who cancels every Job of a module, by its label. It goes straight to the cluster, and tries again if
 * the cluster is away. The function that it returns stops it.
 */
export function startCanceller(access: ClusterAccess, module: string): () => Promise<void> {
  const { namespace } = access;
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromString(kubeconfigText({ name: "canceller", ...access }));
  const batch = kubeConfig.makeApiClient(BatchV1Api);
  const hands = clusterHands(kubeConfig, namespace);
  const labelSelector = `ion/module=${module},ion/cancel!=true`;
  const stop = new AbortController();
  const cancelAll = async () => {
    const { items } = await batch.listNamespacedJob({ namespace, labelSelector });
    for (const { metadata } of items) await hands.label(metadata?.name ?? "", { "ion/cancel": "true" });
  };
  const going = (async () => {
    while (!stop.signal.aborted) {
      await cancelAll().catch(() => undefined);
      await sleep(LOOK_MS);
    }
  })();
  return async () => {
    stop.abort();
    await going;
  };
}
