import { createServer } from "node:http";
import { KubeConfig } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import type { JobCluster } from "../../shared/ports/job-cluster.ts";
import { RIGHTS } from "../../shared/ports/rights.ts";
import { buildJob } from "./job-harness.ts";

/** Rights outside the Role, which every user has. */
const NOT_IN_THE_ROLE = ["create selfsubjectaccessreviews", "get /version", "get /openapi"];

/** Every call of the port, by its name. A missing one does not compile. */
const CALLS: { readonly [Method in keyof JobCluster]: (cluster: JobCluster) => Promise<unknown> } = {
  listJobs: (cluster) => cluster.listJobs(),
  watchJobs: async (cluster) => {
    for await (const _ of cluster.watchJobs("1", { seconds: 1, signal: AbortSignal.timeout(1_000) })) break;
  },
  glance: (cluster) => cluster.glance("job"),
  listPods: (cluster) => cluster.listPods(),
  watchPods: async (cluster) => {
    for await (const _ of cluster.watchPods("1", { seconds: 1, signal: AbortSignal.timeout(1_000) })) break;
  },
  endSuspended: (cluster) => cluster.endSuspended({ metadata: { name: "job", uid: "u" } }),
  listCancelled: (cluster) => cluster.listCancelled(),
  create: (cluster) => cluster.create(buildJob("one", "exit 0", {})),
  tryCreate: (cluster) => cluster.tryCreate(buildJob("one", "exit 0", {})),
  version: (cluster) => cluster.version(),
  kedaWakes: (cluster) => cluster.kedaWakes(),
  mayI: (cluster) => cluster.mayI({ verb: "list", group: "", resource: "pods", why: "" }),
  count: (cluster) => cluster.count(0, 1),
  get: (cluster) => cluster.get("job"),
  pods: (cluster) => cluster.pods("job"),
  events: (cluster) => cluster.events("Job", "job"),
  log: (cluster) => cluster.log("pod-abcde", "main", 100),
  end: (cluster) => cluster.end("job", "uid"),
  retire: (cluster) => cluster.retire("job", "uid", 60, { end: true }),
  namespaceUid: (cluster) => cluster.namespaceUid(),
  verify: (cluster) => cluster.verify(),
};

/** The verb and resource by which RBAC judges a request. */
function rightOf(method: string, url: string): string {
  const { pathname, searchParams } = new URL(url, "http://localhost");
  if (pathname === "/version") return "get /version";
  if (pathname.startsWith("/openapi/")) return "get /openapi";
  const segments = pathname.split("/").slice(1);
  const parts = segments.slice(segments[0] === "api" ? 2 : 3);
  const [resource = "", name, subresource] = parts[0] === "namespaces" && parts.length > 2 ? parts.slice(2) : parts;
  const reading = searchParams.has("watch") ? "watch" : name === undefined ? "list" : "get";
  const verbs: Record<string, string> = {
    GET: reading,
    POST: "create",
    PATCH: "patch",
    DELETE: "delete",
    PUT: "update",
  };
  return `${verbs[method] ?? method} ${resource}${subresource === undefined ? "" : `/${subresource}`}`;
}

test("the adapter needs exactly the rights of the documented Role", async () => {
  const used = new Set<string>();
  const server = createServer((request, response) => {
    used.add(rightOf(request.method ?? "", request.url ?? ""));
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const kubeconfig = new KubeConfig();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  kubeconfig.loadFromClusterAndUser({ name: "c", server: url, skipTLSVerify: true }, { name: "u", token: "secret" });
  const cluster = makeKubernetesJobs({ kubeconfig, namespace: "jobs", instance: "one" });
  // The results don't matter, only the requests do.
  await Promise.allSettled(Object.values(CALLS).map((call) => call(cluster)));
  server.close();
  server.closeAllConnections();
  const documented = RIGHTS.map(({ verb, resource }) => `${verb} ${resource}`);
  expect([...used].toSorted()).toEqual([...documented, ...NOT_IN_THE_ROLE].toSorted());
});
