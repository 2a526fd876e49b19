import { ApiException, CoreV1Api, type KubeConfig } from "@kubernetes/client-node";
import { vi } from "vitest";

/** A namespace of a test's own. */
export interface TestNamespace {
  readonly name: string;
  /** Removes the namespace with everything in it. Does not wait until it is gone. */
  remove(): Promise<void>;
}

/**
 * Makes a namespace and resolves when pods can be made in it. `labels` can set the Pod Security level that it enforces.
 */
export async function makeNamespace(
  kubeConfig: KubeConfig,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<TestNamespace> {
  const core = kubeConfig.makeApiClient(CoreV1Api);
  await core.createNamespace({ body: { metadata: { name, labels } } });
  // The namespace gets its ServiceAccount a moment later, and the API server refuses pods until then.
  await vi.waitFor(() => core.readNamespacedServiceAccount({ name: "default", namespace: name }), { timeout: 30_000 });
  return {
    name,
    remove: () => removeNamespace(kubeConfig, name),
  };
}

/** Removes a namespace, if it exists, with everything in it. Does not wait until it is gone. */
export async function removeNamespace(kubeConfig: KubeConfig, name: string): Promise<void> {
  try {
    await kubeConfig.makeApiClient(CoreV1Api).deleteNamespace({ name });
  } catch (error) {
    if (!(error instanceof ApiException && error.code === 404)) throw error;
  }
}
