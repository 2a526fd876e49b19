import { KubeConfig } from "@kubernetes/client-node";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import type { JobCluster } from "../../shared/ports/job-cluster.ts";

/** Makes the app's port to the Jobs in namespace `jobs` of an API server, such as `http://127.0.0.1:1234`. */
export function clusterAt(server: string, timeoutMs = 5_000): JobCluster {
  const kubeconfig = new KubeConfig();
  kubeconfig.loadFromClusterAndUser({ name: "c", server, skipTLSVerify: true }, { name: "u", token: "secret" });
  return makeKubernetesJobs({ kubeconfig, namespace: "jobs", instance: "one", timeoutMs });
}
