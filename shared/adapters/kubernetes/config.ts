import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { parse } from "yaml";
import { ConfigError, errorText } from "../../errors.ts";
import { isRecord, valueAt } from "../../plain-data.ts";

/**
 * Loads a kubeconfig file or, without a path, that of KUBECONFIG, `~/.kube/config` or the pod itself, in this order.
 * Throws ConfigError if it can't be read, or names no cluster.
 */
export function loadKubeConfig(path: string | undefined): KubeConfig {
  const kubeConfig = new KubeConfig();
  try {
    if (path === undefined) kubeConfig.loadFromDefault();
    else loadFile(kubeConfig, path);
  } catch (error) {
    throw new ConfigError(
      `The kubeconfig ${path ?? "of KUBECONFIG or ~/.kube/config"} can't be read (${errorText(error)}). Set KUBECONFIG to the path of a kubeconfig file.`,
      { cause: error },
    );
  }
  const cluster = kubeConfig.getCurrentCluster();
  const what =
    path === undefined ? "KUBECONFIG, ~/.kube/config and the pod's service account" : `The kubeconfig ${path}`;
  // The library falls back to this server if it finds no kubeconfig.
  if (!cluster || (path === undefined && cluster.server === "http://localhost:8080")) {
    throw new ConfigError(
      `${what} ${path === undefined ? "name" : "names"} no cluster to run Jobs in. Set KUBECONFIG to a kubeconfig file with a current-context.`,
    );
  }
  return kubeConfig;
}

/**
 * Loads a kubeconfig file whose users may have a `tokenFile`. The library ignores `tokenFile` and would send requests
 * without a token. It reads the file again every minute, because such tokens are short-lived.
 */
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
