import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { parse } from "yaml";
import { ConfigError, errorText } from "../../errors.ts";
import { isRecord, valueAt } from "../../plain-data.ts";

/**
 * The cluster that a kubeconfig file describes; without one that of KUBECONFIG, `~/.kube/config` or the pod itself, in this order. Throws
 * ConfigError where there is none, or it can't be read.
 */
export function loadKubeConfig(path: string | undefined): KubeConfig {
  const kubeConfig = new KubeConfig();
  try {
    if (path === undefined) kubeConfig.loadFromDefault();
    else loadFile(kubeConfig, path);
  } catch (error) {
    throw new ConfigError(
      `The kubeconfig ${path ?? "of KUBECONFIG or ~/.kube/config"} can't be read: ${errorText(error)}`,
      { cause: error },
    );
  }
  const cluster = kubeConfig.getCurrentCluster();
  const what =
    path === undefined ? "KUBECONFIG, ~/.kube/config and the pod's service account" : `The kubeconfig ${path}`;
  // What the library falls back to where it finds nothing: a server that nobody meant.
  if (!cluster || (path === undefined && cluster.server === "http://localhost:8080")) {
    throw new ConfigError(`${what} name no cluster to run Jobs in: set a kubeconfig file with a current-context.`);
  }
  return kubeConfig;
}

/** The library passes over `tokenFile`: the request would go out without a token. It is read again every minute, for such tokens are short-lived. */
function loadFile(kubeConfig: KubeConfig, path: string): void {
  kubeConfig.loadFromFile(path);
  const file: unknown = parse(readFileSync(path, "utf8"));
  const users = isRecord(file) && Array.isArray(file["users"]) ? file["users"] : [];
  kubeConfig.users = kubeConfig.users.map((user) => {
    const written: unknown = users.find((one) => valueAt(one, ["name"]) === user.name);
    const tokenFile = valueAt(written, ["user", "tokenFile"]);
    if (typeof tokenFile !== "string" || user.token || user.authProvider) return user;
    const config = { tokenFile: resolve(dirname(path), tokenFile) };
    return { ...user, authProvider: { name: "tokenFile", config } };
  });
}
