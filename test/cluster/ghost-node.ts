import { CoreV1Api, type KubeConfig, PatchStrategy, setHeaderOptions } from "@kubernetes/client-node";
import { expect, vi } from "vitest";
import { onePod, type Place } from "./pods.ts";

const PATIENCE = { timeout: 90_000, interval: 200 };
const TAINT = "dispatcher-test/ghost";
const UNREACHABLE = "node.kubernetes.io/unreachable";
const OUT_OF_SERVICE = "node.kubernetes.io/out-of-service";
const MERGE_PATCH = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);

/**
 * A node that reports once and never again. The cluster reacts to its silence as to a real node's: it taints the node
 * as unreachable and tells its pods to end, and no kubelet ever says that they did.
 */
export interface GhostNode {
  /** Reports, as the node's kubelet would, that the Job's pod runs there. Resolves to the pod's name. */
  run(place: Place, jobName: string): Promise<string>;
  /** Resolves once the cluster has given the node up and told the pod to end. */
  givenUp(place: Place, podName: string): Promise<void>;
  /** Marks the node as shut down, as a person does who has looked at it. */
  isOff(): Promise<void>;
  /** Removes the node if it still exists. */
  remove(): Promise<void>;
}

/** The part of a pod's spec that puts it on this node while the node is alive, and on another one later. */
export function prefersGhost(name: string): object {
  const matchExpressions = [{ key: TAINT, operator: "In", values: [name] }];
  return {
    tolerations: [
      { key: TAINT, operator: "Equal", value: name, effect: "NoSchedule" },
      { key: UNREACHABLE, operator: "Exists", effect: "NoExecute", tolerationSeconds: 1 },
    ],
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: { matchExpressions } }],
      },
    },
  };
}

/** Makes the node, and resolves when pods can be put on it. Only pods that ask for it are. */
export async function makeGhostNode(admin: KubeConfig, name: string): Promise<GhostNode> {
  const core = admin.makeApiClient(CoreV1Api);
  const taint = { key: TAINT, value: name, effect: "NoSchedule" };
  await core.createNode({ body: { metadata: { name, labels: { [TAINT]: name } }, spec: { taints: [taint] } } });
  const capacity = { cpu: "64", memory: "64Gi", pods: "100" };
  const ready = { type: "Ready", status: "True", reason: "KubeletReady", message: "", lastHeartbeatTime: new Date() };
  await core.patchNodeStatus(
    { name, body: { status: { capacity, allocatable: capacity, conditions: [ready] } } },
    MERGE_PATCH,
  );
  await vi.waitFor(async () => expect((await core.readNode({ name })).spec?.taints).toHaveLength(1), PATIENCE);

  return {
    async run(place, jobName) {
      const pod = await onePod(place, jobName, ({ spec }) => spec?.nodeName === name);
      const now = new Date();
      const containerStatuses = (pod.spec?.containers ?? []).map(({ name, image = "" }) => ({
        name,
        image,
        imageID: image,
        ready: true,
        started: true,
        restartCount: 0,
        state: { running: { startedAt: now } },
      }));
      const podName = pod.metadata?.name ?? "";
      await core.patchNamespacedPodStatus(
        {
          name: podName,
          namespace: place.namespace,
          body: { status: { phase: "Running", startTime: now, containerStatuses } },
        },
        MERGE_PATCH,
      );
      return podName;
    },
    async givenUp(place, podName) {
      await vi.waitFor(async () => {
        const { metadata, status } = await core.readNamespacedPod({ name: podName, namespace: place.namespace });
        expect(metadata?.deletionTimestamp).toBeDefined();
        expect(status?.conditions?.map(({ type }) => type)).toContain("DisruptionTarget");
      }, PATIENCE);
    },
    async isOff() {
      const { spec } = await core.readNode({ name });
      const off = { key: OUT_OF_SERVICE, value: "nodeshutdown", effect: "NoExecute" };
      await core.patchNode({ name, body: { spec: { taints: [...(spec?.taints ?? []), off] } } }, MERGE_PATCH);
    },
    async remove() {
      await core.deleteNode({ name }).catch(() => {});
    },
  };
}
