import type { V1Job } from "@kubernetes/client-node";

/** Makes a Job as a person could make it by hand. Its worker ends at once. */
export function handMadeJob(name: string, metadata: V1Job["metadata"] = {}): V1Job {
  const container = { name: "worker", image: "busybox:1.36", command: ["true"] };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { ...metadata, name },
    spec: { template: { spec: { restartPolicy: "Never", containers: [container] } } },
  };
}
