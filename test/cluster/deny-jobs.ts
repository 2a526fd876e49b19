import { AdmissionregistrationV1Api, BatchV1Api } from "@kubernetes/client-node";
import { expect, vi } from "vitest";
import { buildJob } from "../contract/job-harness.ts";
import type { Place } from "./pods.ts";

/**
 * Makes a policy of the cluster deny a module's Jobs in a namespace, and resolves when it takes effect. Disposing
 * removes the policy.
 */
export async function denyJobsOf({ admin, namespace }: Place, module: string): Promise<AsyncDisposable> {
  const admission = admin.makeApiClient(AdmissionregistrationV1Api);
  const batch = admin.makeApiClient(BatchV1Api);
  const metadata = { name: `${module}.${namespace}` };
  await admission.createValidatingAdmissionPolicy({
    body: {
      metadata,
      spec: {
        matchConstraints: {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
          resourceRules: [{ apiGroups: ["batch"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["jobs"] }],
        },
        validations: [
          {
            expression: `!('ion/module' in object.metadata.labels) || object.metadata.labels['ion/module'] != '${module}'`,
            message: "no such work here",
          },
        ],
      },
    },
  });
  await admission.createValidatingAdmissionPolicyBinding({
    body: { metadata, spec: { policyName: metadata.name, validationActions: ["Deny"] } },
  });
  const job = buildJob("nobody", "exit 0", {});
  job.metadata = { ...job.metadata, labels: { "ion/module": module } };
  await vi.waitFor(
    () =>
      expect(batch.createNamespacedJob({ namespace, body: job, dryRun: "All" })).rejects.toThrow("no such work here"),
    { timeout: 60_000, interval: 100 },
  );
  return {
    async [Symbol.asyncDispose]() {
      await admission.deleteValidatingAdmissionPolicyBinding({ name: metadata.name });
      await admission.deleteValidatingAdmissionPolicy({ name: metadata.name });
    },
  };
}
