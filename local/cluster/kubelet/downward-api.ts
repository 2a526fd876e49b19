import type { V1ObjectFieldSelector } from "@kubernetes/client-node";
import type { Pod, Wire } from "../store/wire.ts";

/** A field of the pod, as the downward API gives it. Undefined for a path that Kubernetes doesn't offer. */
export function podField(pod: Pod, selector: Wire<V1ObjectFieldSelector>): string | undefined {
  const keyed = /^metadata\.(?<map>annotations|labels)\['(?<key>[^']+)'\]$/u.exec(selector.fieldPath)?.groups;
  if (keyed !== undefined) {
    const map = keyed["map"] === "labels" ? pod.metadata.labels : pod.metadata.annotations;
    return map?.[keyed["key"] ?? ""] ?? "";
  }
  switch (selector.fieldPath) {
    case "metadata.name":
      return pod.metadata.name;
    case "metadata.namespace":
      return pod.metadata.namespace;
    case "metadata.uid":
      return pod.metadata.uid;
    case "metadata.labels":
      return formatMap(pod.metadata.labels);
    case "metadata.annotations":
      return formatMap(pod.metadata.annotations);
    case "spec.nodeName":
      return pod.spec?.nodeName ?? "";
    case "spec.serviceAccountName":
      return pod.spec?.serviceAccountName ?? "default";
    case "status.hostIP":
    case "status.podIP":
    case "status.hostIPs":
    case "status.podIPs":
      return "127.0.0.1";
    default:
      return undefined;
  }
}

function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  const lines = Object.entries(map ?? {}).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return lines.toSorted().join("\n");
}
