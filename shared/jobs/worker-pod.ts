import type { V1Container, V1EnvVar, V1PodSpec, V1SecurityContext, V1VolumeMount } from "@kubernetes/client-node";
import type { ContainerShorthand } from "../modules/module.ts";
import type { MessageInPod } from "./message-pod.ts";

/** The user id that distroless images call `nonroot`. */
const NONROOT = 65_532;

/**
 * The pod security standard "restricted", with a user id. Without the id, `runAsNonRoot` refuses images that name a
 * user, or none. One id for all containers also lets each read what another wrote to the shared volume.
 */
const RESTRICTED: V1SecurityContext = {
  runAsNonRoot: true,
  runAsUser: NONROOT,
  runAsGroup: NONROOT,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  readOnlyRootFilesystem: true,
  seccompProfile: { type: "RuntimeDefault" },
};

const TMP: V1VolumeMount = { name: "tmp", mountPath: "/tmp" };

/** Builds the pod of a module with a `worker` alone. */
export function workerPod(worker: ContainerShorthand, message: MessageInPod): V1PodSpec {
  return {
    containers: [shorthandContainer("worker", worker, message)],
    volumes: [message.volume, { name: TMP.name, emptyDir: {} }],
  };
}

/**
 * Builds a container from its shorthand, with `/tmp` to write to. It is restricted unless `securityContext` says
 * otherwise, field by field.
 */
export function shorthandContainer(
  name: string,
  shorthand: ContainerShorthand,
  message: MessageInPod,
  extra: { readonly env: readonly V1EnvVar[]; readonly mounts: readonly V1VolumeMount[] } = { env: [], mounts: [] },
): V1Container {
  return {
    name,
    image: shorthand.image,
    ...(shorthand.command === undefined ? {} : { command: [...shorthand.command] }),
    ...(shorthand.args === undefined ? {} : { args: [...shorthand.args] }),
    // Ours come first, because a value may use `$(NAME)` of a variable before it.
    env: [...message.env, ...extra.env, ...Object.entries(shorthand.env ?? {}).map(envVar)],
    ...(shorthand.resources === undefined ? {} : { resources: shorthand.resources }),
    securityContext: { ...RESTRICTED, ...shorthand.securityContext },
    volumeMounts: [message.mount, TMP, ...extra.mounts],
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}

function envVar([name, value]: [string, NonNullable<ContainerShorthand["env"]>[string]]): V1EnvVar {
  return typeof value === "string" ? { name, value } : { name, valueFrom: value.valueFrom };
}
