import { randomUUID } from "node:crypto";
import type { ClusterState } from "./cluster-state.ts";
import { timestamp } from "./wire.ts";

/** The kinds, as the kubelet writes them when one is missing. */
export type ConfigKind = "secret" | "configmap";

/** The content of a Secret or ConfigMap of a pod's namespace, by key; undefined if there is none of this name. */
export type ReadConfig = (kind: ConfigKind, name: string) => ReadonlyMap<string, Buffer> | undefined;

export function configReader(state: ClusterState, namespace: string): ReadConfig {
  return (kind, name) => {
    const config = (kind === "secret" ? state.secrets : state.configMaps).get(namespace, name);
    if (config === undefined) return undefined;
    const { data = {}, binaryData = {} } = config;
    const encoding = kind === "secret" ? "base64" : "utf8";
    return new Map([...decoded(data, encoding), ...decoded(binaryData, "base64")]);
  };
}

function decoded(data: Readonly<Record<string, string>>, encoding: BufferEncoding): [string, Buffer][] {
  return Object.entries(data).map(([key, value]) => [key, Buffer.from(value, encoding)]);
}

/** Gives every namespace the ConfigMap that it has in any cluster, which holds the API server's certificate. */
export function publishRootCa(state: ClusterState, certificate: string): void {
  for (const namespace of state.namespaces.keys()) {
    state.configMaps.insert({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name: "kube-root-ca.crt",
        namespace,
        uid: randomUUID(),
        resourceVersion: "",
        creationTimestamp: timestamp(),
      },
      data: { "ca.crt": certificate },
    });
  }
}
