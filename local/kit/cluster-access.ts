import { readFile } from "node:fs/promises";
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { z } from "zod";

/** How to reach a cluster. */
export interface ClusterAccess {
  readonly server: string;
  readonly token: string;
  /** The cluster's certificate authority, PEM. */
  readonly ca: string;
  readonly namespace: string;
}

const kubeconfig = z.object({
  clusters: z.tuple([
    z.object({ cluster: z.object({ server: z.string(), "certificate-authority-data": z.string() }) }),
  ]),
  users: z.tuple([z.object({ user: z.object({ token: z.string() }) })]),
  contexts: z.tuple([z.object({ context: z.object({ namespace: z.string() }) })]),
});

/** Reads a kubeconfig file in JSON, whose one user has a token. */
export async function readAccess(file: string): Promise<ClusterAccess> {
  const { clusters, users, contexts } = kubeconfig.parse(JSON.parse(await readFile(file, "utf8")));
  const [{ cluster }] = clusters;
  const ca = Buffer.from(cluster["certificate-authority-data"], "base64").toString("utf8");
  return { server: cluster.server, token: users[0].user.token, ca, namespace: contexts[0].context.namespace };
}

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

/**
 * Speaks to the cluster's API with Node's own client, on connections that stay open, so that no library costs anything.
 */
export class BareCluster {
  readonly #access: ClusterAccess;
  readonly #agent: Agent;

  constructor(access: ClusterAccess) {
    this.#access = access;
    this.#agent = new Agent({ keepAlive: true, ca: access.ca });
  }

  /** Creates a Job from its JSON. Rejects on any answer but 201. */
  async createJob(job: string): Promise<void> {
    const { namespace } = this.#access;
    await this.ask("POST", `/apis/batch/v1/namespaces/${namespace}/jobs`, { body: job });
  }

  /**
   * Reads a whole list as tables, in pages of 500. Resolves to its rows, each with its cells in the order of the
   * columns.
   */
  async list(path: string, query: Readonly<Record<string, string>>): Promise<Row[]> {
    const rows: Row[] = [];
    let token = "";
    do {
      const all = new URLSearchParams({ ...query, includeObject: "None", limit: "500" });
      if (token !== "") all.set("continue", token);
      const page = tablePage.parse(JSON.parse(await this.ask("GET", `${path}?${all.toString()}`, { accept: TABLE })));
      for (const row of page.rows) rows.push(row);
      token = page.metadata.continue ?? "";
    } while (token !== "");
    return rows;
  }

  /**
   * Calls back with each line of a watch of the Jobs from now on, until `stop` is called. Resolves once the watch is
   * open.
   */
  watchJobs(onLine: (line: string) => void): Promise<{ stop(): void }> {
    return this.#watch(`/apis/batch/v1/namespaces/${this.#access.namespace}/jobs`, onLine);
  }

  /** The same for the pods, or for those whose phase is `phase`. */
  watchPods(onLine: (line: string) => void, phase?: string): Promise<{ stop(): void }> {
    return this.#watch(`/api/v1/namespaces/${this.#access.namespace}/pods`, onLine, phase && `status.phase=${phase}`);
  }

  async #watch(path: string, onLine: (line: string) => void, fieldSelector = ""): Promise<{ stop(): void }> {
    const newest = await this.ask("GET", `${path}?includeObject=None&limit=1`, { accept: TABLE });
    const { metadata } = tablePage.parse(JSON.parse(newest));
    const resourceVersion = metadata.resourceVersion ?? "";
    const query = new URLSearchParams({ watch: "true", includeObject: "None", resourceVersion, fieldSelector });
    const sent = this.#send("GET", `${path}?${query.toString()}`, TABLE);
    sent.end();
    const response = await answerOf(sent);
    if (response.statusCode !== 200) throw new Error(`watching ${path}: ${response.statusCode}`);
    let rest = "";
    response.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    });
    // The watch is cut off when it is no longer wanted, which is no error.
    response.on("error", () => {});
    sent.on("error", () => {});
    return { stop: () => sent.destroy() };
  }

  /** Sends one request. Resolves to the answer's text. Rejects if the server refuses. */
  async ask(
    method: "GET" | "POST" | "PATCH",
    path: string,
    { body, accept = "application/json" }: { readonly body?: string; readonly accept?: string } = {},
  ): Promise<string> {
    const sent = this.#send(method, path, accept);
    sent.end(body);
    const response = await answerOf(sent);
    let text = "";
    for await (const part of response.setEncoding("utf8")) text += String(part);
    if ((response.statusCode ?? 0) >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
    return text;
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(method: string, path: string, accept: string): ClientRequest {
    const { server, token } = this.#access;
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const headers = { authorization: `Bearer ${token}`, accept, "content-type": type };
    return request(server + path, { method, headers, agent: this.#agent });
  }
}

const tablePage = z.object({
  metadata: z.object({ continue: z.string().optional(), resourceVersion: z.string().optional() }),
  rows: z.array(z.object({ cells: z.array(z.unknown()) })),
});

/** A row of a list. A Job's first two cells are its name and its state in one word. */
export type Row = z.output<typeof tablePage>["rows"][number];

function answerOf(sent: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.once("response", resolve).once("error", reject);
  });
}
