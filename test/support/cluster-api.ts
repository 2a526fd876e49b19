import { Agent, request } from "node:https";
import { createInterface } from "node:readline";
import { KubeConfig } from "@kubernetes/client-node";
import type { LocalCluster } from "../../local/cluster/start-cluster.ts";
import { isObject, type JsonObject } from "../../local/cluster/store/wire.ts";

interface ApiAnswer {
  readonly code: number;
  readonly text: string;
  /** The body as a JSON object; empty if it is not one. */
  readonly json: JsonObject;
}

interface ApiOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A plain client of the local cluster's API, which shows its answers to the letter. */
export interface ClusterApi {
  ask(method: string, path: string, options?: ApiOptions): Promise<ApiAnswer>;
  /** The events of a watch, one by one. `close` ends it. */
  watch(path: string): { readonly events: AsyncIterator<JsonObject>; close(): void };
  close(): void;
}

/** Makes a client with the token and the certificate of the cluster's own kubeconfig. */
export function clusterApi(cluster: LocalCluster): ClusterApi {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromFile(cluster.kubeconfigPath);
  const ca = Buffer.from(kubeConfig.getCurrentCluster()?.caData ?? "", "base64");
  // The name is fixed, because a test that sends a wrong host header still speaks to this server.
  const agent = new Agent({ keepAlive: true, ca, servername: "localhost" });
  const send = (method: string, path: string, options: ApiOptions) => {
    const body = options.body === undefined ? "" : JSON.stringify(options.body);
    const headers = {
      authorization: `Bearer ${cluster.token}`,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      ...options.headers,
    };
    const sent = request({ host: "127.0.0.1", port: cluster.port, method, path, headers, agent });
    sent.end(body);
    return sent;
  };
  return {
    ask: (method, path, options = {}) =>
      new Promise((resolve, reject) => {
        const sent = send(method, path, options);
        sent.on("error", reject).on("response", (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk: string) => {
            text += chunk;
          });
          response.on("end", () => resolve({ code: response.statusCode ?? 0, text, json: parse(text) }));
        });
      }),
    watch(path) {
      const sent = send("GET", path, {});
      sent.on("error", () => {});
      const answered = new Promise<NodeJS.ReadableStream>((resolve) => {
        sent.once("response", resolve);
      });
      async function* lines(): AsyncGenerator<JsonObject> {
        for await (const line of createInterface({ input: await answered })) yield parse(line);
      }
      return { events: lines(), close: () => sent.destroy() };
    },
    close: () => agent.destroy(),
  };
}

function parse(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
