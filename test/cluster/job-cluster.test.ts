import { randomUUID } from "node:crypto";
import { KubeConfig } from "@kubernetes/client-node";
import { inject } from "vitest";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes-jobs.ts";
import { type ClusterUnderTest, describeJobCluster } from "../contract/job-cluster.contract.ts";
import { clusterHands } from "../support/cluster-hands.ts";
import { makeNamespace } from "./namespace.ts";

describeJobCluster("the adapter on a real cluster", startReal);

async function startReal(): Promise<ClusterUnderTest> {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(inject("kubeconfig"));
  const namespace = await makeNamespace(kubeConfig, `contract-${randomUUID().slice(0, 8)}`);
  return {
    cluster: makeKubernetesJobs({ kubeconfig: kubeConfig, namespace: namespace.name, instance: "contract" }),
    instance: "contract",
    hands: clusterHands(kubeConfig, namespace.name),
    play: () => {},
    pass: () => {},
    close: () => namespace.remove(),
  };
}
