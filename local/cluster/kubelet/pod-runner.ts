import { rmSync } from "node:fs";
import { join } from "node:path";
import type { ClusterState } from "../store/cluster-state.ts";
import { type Pod, timestamp } from "../store/wire.ts";
import { logPathOf } from "./container-run.ts";
import { type Node, PodRun } from "./pod-run.ts";

/** How many pods a node runs at once by default. Further pods wait, unscheduled. */
const MAX_PODS = 110;
const NODE_NAME = "local";
/** The labels that a real node of this platform has. */
const NODE_LABELS: Readonly<Record<string, string>> = {
  "kubernetes.io/hostname": "localhost",
  "kubernetes.io/os": "linux",
  "kubernetes.io/arch": process.arch === "x64" ? "amd64" : process.arch,
};
/** How much time processes get between SIGTERM and SIGKILL when the whole stand-in ends. */
const CLOSE_GRACE_MS = 2_000;

export interface PodRunner {
  /** The file of a container's log. */
  logPath(pod: Pod, container: string): string;
  /** Ends every process, and resolves when none is left. */
  close(): Promise<void>;
  /** Kills every process at once, for a program that ends without warning. */
  killNow(): void;
}

/** Starts the node, which runs each pod that appears in the store, and ends pods that are marked for deletion. */
export function startPodRunner(state: ClusterState, options: { readonly directory: string } & Node): PodRunner {
  const runs = new Map<string, PodRun>();
  const active = new Set<string>();
  const queue: Pod[] = [];
  const directoryOf = (pod: Pod): string => join(options.directory, "pods", pod.metadata.uid);
  let isClosing = false;

  const startNext = (): void => {
    while (active.size < MAX_PODS) {
      const next = queue.shift();
      if (next === undefined || isClosing) return;
      const pod = state.pods.get(next.metadata.namespace, next.metadata.name);
      if (pod?.metadata.uid === next.metadata.uid && pod.metadata.deletionTimestamp === undefined) start(pod);
    }
  };

  const start = (queued: Pod): void => {
    const spec = { containers: [], ...queued.spec, nodeName: NODE_NAME };
    const pod = state.pods.replace({ ...queued, spec }) ?? queued;
    const { uid } = pod.metadata;
    const run = new PodRun(state, pod, directoryOf(pod), options);
    runs.set(uid, run);
    active.add(uid);
    void run.finished.then(() => {
      active.delete(uid);
      startNext();
    });
    run.run().catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      void run.stop(0, { phase: "Failed", reason: "Error", message });
    });
  };

  const end = async (pod: Pod): Promise<void> => {
    const run = runs.get(pod.metadata.uid);
    if (run !== undefined) {
      const graceMs = (pod.metadata.deletionGracePeriodSeconds ?? 30) * 1000;
      await run.stop(graceMs, { phase: "Failed" });
      await run.finished;
    }
    state.pods.remove(pod);
  };

  const stopListening = state.pods.listen(({ type, object, previous }) => {
    if (type === "ADDED") {
      if (!fitsNode(object))
        return markUnschedulable(state, object, "1 node(s) didn't match Pod's node affinity/selector.");
      queue.push(object);
      if (active.size >= MAX_PODS) markUnschedulable(state, object, "1 Too many pods.");
      startNext();
    } else if (type === "MODIFIED") {
      const isDeletion = object.metadata.deletionTimestamp !== undefined;
      const isNew = object.metadata.deletionGracePeriodSeconds !== previous?.metadata.deletionGracePeriodSeconds;
      if (isDeletion && (isNew || previous?.metadata.deletionTimestamp === undefined)) void end(object);
    } else {
      const run = runs.get(object.metadata.uid);
      // A pod of an earlier start has no run here, but its logs.
      if (run === undefined) rmSync(directoryOf(object), { recursive: true, force: true });
      else run.cleanUp();
      runs.delete(object.metadata.uid);
    }
  });

  return {
    logPath: (pod, container) => logPathOf(directoryOf(pod), container),
    async close() {
      isClosing = true;
      stopListening();
      await Promise.all([...runs.values()].map((run) => run.stop(CLOSE_GRACE_MS, { phase: "Failed" })));
    },
    killNow() {
      for (const run of runs.values()) run.killNow();
    },
  };
}

function fitsNode({ spec }: Pod): boolean {
  return Object.entries(spec?.nodeSelector ?? {}).every(([label, value]) => NODE_LABELS[label] === value);
}

function markUnschedulable(state: ClusterState, pod: Pod, why: string): void {
  const message = `0/1 nodes are available: ${why}`;
  state.pods.replace({
    ...pod,
    status: {
      ...pod.status,
      conditions: [
        { type: "PodScheduled", status: "False", reason: "Unschedulable", message, lastTransitionTime: timestamp() },
      ],
    },
  });
  state.recordEvent(pod, "Warning", "FailedScheduling", message);
}
