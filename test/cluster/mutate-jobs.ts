import { AdmissionregistrationV1Api, BatchV1Api } from "@kubernetes/client-node";
import { expect, vi } from "vitest";
import { buildJob } from "../contract/job-harness.ts";
import type { Place } from "./pods.ts";

/**
 * Makes a policy of the cluster change a module's Jobs in a namespace: it writes another instance into their labels,
 * and gives them a TTL. Resolves when it takes effect. Disposing removes it.
 */
export async function mutateJobsOf({ admin, namespace }: Place, module: string): Promise<AsyncDisposable> {
  const admission = admin.makeApiClient(AdmissionregistrationV1Api);
  const batch = admin.makeApiClient(BatchV1Api);
  const metadata = { name: `${module}.${namespace}` };
  await admission.createMutatingAdmissionPolicy({
    body: {
      metadata,
      spec: {
        reinvocationPolicy: "Never",
        matchConstraints: {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
          resourceRules: [{ apiGroups: ["batch"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["jobs"] }],
        },
        matchConditions: [
          { name: "module", expression: `object.metadata.?labels[?'ion/module'].orValue('') == '${module}'` },
        ],
        mutations: [
          {
            patchType: "ApplyConfiguration",
            applyConfiguration: {
              expression: `Object{
                metadata: Object.metadata{labels: {"app.kubernetes.io/instance": "team-a"}},
                spec: Object.spec{ttlSecondsAfterFinished: 100}
              }`,
            },
          },
        ],
      },
    },
  });
  await admission.createMutatingAdmissionPolicyBinding({ body: { metadata, spec: { policyName: metadata.name } } });
  const job = buildJob("nobody", "exit 0", {});
  job.metadata = { ...job.metadata, labels: { "ion/module": module } };
  await vi.waitFor(
    async () => {
      const tried = await batch.createNamespacedJob({ namespace, body: job, dryRun: "All" });
      expect(tried.spec?.ttlSecondsAfterFinished).toBe(100);
    },
    { timeout: 60_000, interval: 100 },
  );
  return {
    async [Symbol.asyncDispose]() {
      await admission.deleteMutatingAdmissionPolicyBinding({ name: metadata.name });
      await admission.deleteMutatingAdmissionPolicy({ name: metadata.name });
    },
  };
}
