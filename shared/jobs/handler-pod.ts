import type { V1PodSpec, V1VolumeMount } from "@kubernetes/client-node";
import type { ContainerShorthand } from "../modules/module.ts";
import type { MessageInPod } from "./message-pod.ts";
import { shorthandContainer, workerPod } from "./worker-pod.ts";

const SHARED_DIR = "/ion";
const SHARED: V1VolumeMount = { name: "shared", mountPath: SHARED_DIR };

/**
 * Builds the pod of a module with a handler. It runs `prepare`, `worker` and `commit` in order, each only if the one
 * before it succeeded, over one shared volume. The first two are init containers, because a pod runs only those in
 * order.
 */
export function handlerPod(worker: ContainerShorthand, handler: ContainerShorthand, message: MessageInPod): V1PodSpec {
  const shared = { name: "DISPATCHER_SHARED_DIR", value: SHARED_DIR };
  const phase = (name: "prepare" | "commit") =>
    shorthandContainer(name, handler, message, {
      env: [shared, { name: "DISPATCHER_PHASE", value: name }],
      mounts: [SHARED],
    });
  return {
    initContainers: [
      phase("prepare"),
      shorthandContainer("worker", worker, message, { env: [shared], mounts: [SHARED] }),
    ],
    containers: [phase("commit")],
    volumes: [...(workerPod(worker, message).volumes ?? []), { name: SHARED.name, emptyDir: {} }],
  };
}
