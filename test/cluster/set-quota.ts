import { CoreV1Api, type V1ResourceQuotaSpec } from "@kubernetes/client-node";
import { expect, vi } from "vitest";
import type { Place } from "./pods.ts";

/**
 * Sets a quota, and resolves once the cluster has counted its resources. `used` has the counts in the order of the
 * resources' names.
 */
export async function setQuota(
  { admin, namespace }: Place,
  name: string,
  spec: V1ResourceQuotaSpec,
  used: readonly string[],
): Promise<void> {
  const core = admin.makeApiClient(CoreV1Api);
  await core.createNamespacedResourceQuota({ namespace, body: { metadata: { name }, spec } });
  await vi.waitFor(
    async () => {
      const { status } = await core.readNamespacedResourceQuota({ name, namespace });
      const counted = Object.entries(status?.used ?? {}).toSorted(([a], [b]) => a.localeCompare(b));
      expect(counted.map(([, count]) => count)).toEqual(used);
    },
    { timeout: 60_000, interval: 100 },
  );
}
