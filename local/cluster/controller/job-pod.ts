import { randomUUID } from "node:crypto";
import { generateName } from "../rules/job-admission.ts";
import { type Job, type Pod, timestamp } from "../store/wire.ts";

/** A new pod of a Job, by its template. */
export function podFor(job: Job): Pod {
  const { name, namespace, uid } = job.metadata;
  const template = job.spec?.template;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...template?.metadata,
      generateName: `${name}-`,
      name: generateName(`${name}-`),
      namespace,
      uid: randomUUID(),
      resourceVersion: "",
      creationTimestamp: timestamp(),
      ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name, uid, controller: true, blockOwnerDeletion: true }],
    },
    spec: {
      ...template?.spec,
      containers: template?.spec?.containers ?? [],
      serviceAccountName: "default",
    },
    status: { phase: "Pending", qosClass: "BestEffort" },
  };
}
