import type { V1EnvVar, V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import type { Module } from "../modules/module.ts";
import type { PeekedMessage } from "../run/message.ts";
import { originalId, type Run } from "../run/run.ts";
import { bodyText, envText, propertiesJson } from "./message-files.ts";

/** The directory of the message's files in every container. */
export const MESSAGE_DIR = "/dispatcher";
/** The volume of these files. */
export const MESSAGE_VOLUME = "dispatcher-message";

/** Whether an environment variable of this name is one that the Dispatcher sets for the message, or may set some day. */
export function isOwnEnv(name: string): boolean {
  return name.startsWith("DISPATCHER_") || name === "TRACEPARENT";
}

/**
 * The parts of a pod that carry its message: annotations that hold it, and the env, volume and mount that show it to
 * the containers.
 */
export interface MessageInPod {
  readonly annotations: Readonly<Record<string, string>>;
  readonly env: readonly V1EnvVar[];
  readonly volume: V1Volume;
  readonly mount: V1VolumeMount;
}

/** The annotation from which each variable is read. */
const ENV_FROM_ANNOTATION = {
  DISPATCHER_RUN_ID: "ion/run-id",
  DISPATCHER_MESSAGE_ID: "ion/message-id",
  DISPATCHER_CORRELATION_ID: "ion/correlation-id",
  TRACEPARENT: "ion/traceparent",
} as const;
const ENCODING = "ion/message-encoding";
const BODY_URL = "ion/message-url";
const BODY = "ion/message";
const PROPERTIES = "ion/properties";

/**
 * Builds the parts of a pod that carry its message. All of the sender's text stands in annotations of the pod, which
 * env and files read by `fieldRef`, because the cluster expands `$(NAME)` in env values, commands and args. Ids that
 * the message does not have are empty. With a `bodyUrl` the worker fetches the body from there, and there is no body
 * file.
 */
export function messageInPod(
  module: Pick<Module, "publishes">,
  run: Run,
  message: PeekedMessage,
  bodyUrl: string | undefined,
): MessageInPod {
  const body = bodyUrl === undefined ? bodyText(message.body) : undefined;
  const annotations = {
    "ion/run-id": originalId(run),
    "ion/message-id": envText(message.messageId ?? ""),
    "ion/correlation-id": envText(message.correlationId ?? ""),
    "ion/traceparent": envText(run.traceparent ?? ""),
    [PROPERTIES]: propertiesJson(message),
    ...(body === undefined ? {} : { [BODY]: body.text, [ENCODING]: body.encoding }),
    ...(bodyUrl === undefined ? {} : { [BODY_URL]: bodyUrl }),
  };
  return {
    annotations,
    env: [
      { name: "DISPATCHER_MODULE", value: run.module },
      { name: "DISPATCHER_ATTEMPT", value: String(run.attempt) },
      // Attempts of a redrive are counted from 1 again.
      ...(run.redrive === undefined ? [] : [{ name: "DISPATCHER_REDRIVE", value: String(run.redrive) }]),
      ...Object.entries(ENV_FROM_ANNOTATION).map(([name, annotation]) => fromAnnotation(name, annotation)),
      { name: "DISPATCHER_PROPERTIES_FILE", value: `${MESSAGE_DIR}/properties.json` },
      ...(body === undefined
        ? [fromAnnotation("DISPATCHER_MESSAGE_URL", BODY_URL)]
        : [
            { name: "DISPATCHER_MESSAGE_FILE", value: `${MESSAGE_DIR}/message` },
            fromAnnotation("DISPATCHER_MESSAGE_ENCODING", ENCODING),
          ]),
      { name: "DISPATCHER_PUBLISHES", value: module.publishes.join(",") },
    ],
    volume: {
      name: MESSAGE_VOLUME,
      downwardAPI: {
        items: [
          ...(body === undefined ? [] : [{ path: "message", fieldRef: { fieldPath: annotationPath(BODY) } }]),
          { path: "properties.json", fieldRef: { fieldPath: annotationPath(PROPERTIES) } },
        ],
      },
    },
    mount: { name: MESSAGE_VOLUME, mountPath: MESSAGE_DIR, readOnly: true },
  };
}

function fromAnnotation(name: string, annotation: string): V1EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath: annotationPath(annotation) } } };
}

function annotationPath(annotation: string): string {
  return `metadata.annotations['${annotation}']`;
}
