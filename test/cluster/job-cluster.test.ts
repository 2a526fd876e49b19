import { randomUUID } from "node:crypto";
import { KubeConfig } from "@kubernetes/client-node";
import { inject } from "vitest";
import { clusterHands } from "../../local/kit/cluster-hands.ts";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { describeJobCluster } from "../contract/job-cluster.contract.ts";
import { describeJobEndings } from "../contract/job-endings.contract.ts";
import type { Admission, ClusterUnderTest } from "../contract/job-harness.ts";
import { denyJobsOf } from "./deny-jobs.ts";
import { makeNamespace } from "./namespace.ts";
import { setQuota } from "./set-quota.ts";

describeJobCluster("the adapter on a real cluster", startReal);
describeJobEndings("the adapter on a real cluster", startReal);

async function startReal(admission?: Admission): Promise<ClusterUnderTest> {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(inject("kubeconfig"));
  const namespace = await makeNamespace(kubeConfig, `contract-${randomUUID().slice(0, 8)}`);
  const place = { admin: kubeConfig, namespace: namespace.name };
  const policy = admission && (await denyJobsOf(place, admission.deniedModule));
  if (admission)
    await setQuota(
      place,
      "contract",
      { hard: admission.quota },
      Object.keys(admission.quota).map(() => "0"),
    );
  return {
    cluster: makeKubernetesJobs({ kubeconfig: kubeConfig, namespace: namespace.name, instance: "contract" }),
    instance: "contract",
    hands: clusterHands(kubeConfig, namespace.name),
    play: () => {},
    pass: () => {},
    async close() {
      await policy?.[Symbol.asyncDispose]();
      await namespace.remove();
    },
  };
}
