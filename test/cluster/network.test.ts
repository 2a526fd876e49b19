import { randomUUID } from "node:crypto";
import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { expect, inject, test, vi } from "vitest";
import { makeNamespace } from "./namespace.ts";

/** Asks without TLS, which a real API server refuses in words of its own. */
const ASK = String.raw`printf 'GET / HTTP/1.0\r\n\r\n' | nc "$KUBERNETES_SERVICE_HOST" "$KUBERNETES_SERVICE_PORT"`;

test("a pod reaches the API server at the address that its environment names", async () => {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(inject("kubeconfig"));
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const made = await makeNamespace(kubeConfig, `network-${randomUUID().slice(0, 8)}`);
  const namespace = made.name;
  try {
    const containers = [{ name: "main", image: "busybox:1.36", command: ["sh", "-c", ASK] }];
    const spec = { restartPolicy: "Never", containers };
    await core.createNamespacedPod({ namespace, body: { metadata: { name: "asks" }, spec } });
    await vi.waitFor(
      async () => {
        const { status } = await core.readNamespacedPod({ name: "asks", namespace });
        expect(status?.phase).toMatch(/Succeeded|Failed/);
      },
      { timeout: 60_000, interval: 200 },
    );
    const said = await core.readNamespacedPodLog({ name: "asks", namespace });
    expect(said).toContain("Client sent an HTTP request to an HTTPS server.");
  } finally {
    await made.remove();
  }
});
