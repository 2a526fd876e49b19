import type { PodRunner } from "../kubelet/pod-runner.ts";
import type { ClusterState } from "../store/cluster-state.ts";
import { isObject } from "../store/wire.ts";
import { ApiStatusError, notFound, type Resource } from "./api-status.ts";
import { isConfigPlural, serveConfigs } from "./config-routes.ts";
import { discover } from "./discovery.ts";
import { createJob, getJob, patchJob, removeJob, removeJobs } from "./job-routes.ts";
import { serveList } from "./listing.ts";
import { evictPod, getPod, getPodLog, methodNotAllowed, patchPod, removePod, removePods } from "./pod-routes.ts";
import { type ApiRequest, jsonBody, sendJson } from "./request.ts";
import { eventPrinter, jobPrinter, podPrinter } from "./tables.ts";

export interface RouteDeps {
  readonly state: ClusterState;
  /** Undefined if Jobs are only stored. */
  readonly runner: PodRunner | undefined;
}

const CORE_PLURALS = ["pods", "events", "secrets", "configmaps"];
const NAMESPACES: Resource = { group: "", plural: "namespaces", kind: "Namespace" };

/** Serves one request that has shown its token. Throws ApiStatusError for every refusal. */
export function route(deps: RouteDeps, request: ApiRequest): void {
  const { path, method } = request;
  const joined = path.join("/");
  if (method === "GET" && ["readyz", "livez", "healthz"].includes(joined)) {
    request.response.writeHead(200, { "content-type": "text/plain" }).end("ok");
    return;
  }
  const discovery = method === "GET" ? discover(path) : undefined;
  if (discovery !== undefined) {
    sendJson(request.response, 200, discovery);
    return;
  }
  if (joined === "apis/authorization.k8s.io/v1/selfsubjectaccessreviews" && method === "POST") {
    // kubectl sends this request in protobuf. The answer is the same whatever the request says.
    const body = request.contentType === "application/json" ? jsonBody(request) : {};
    sendJson(request.response, 201, { ...(isObject(body) ? body : {}), status: { allowed: true } });
    return;
  }
  if (joined.startsWith("apis/batch/v1/")) routeResource(deps, request, path.slice(3), ["jobs"]);
  else if (joined.startsWith("api/v1/")) routeResource(deps, request, path.slice(2), CORE_PLURALS);
  else throw noSuchPath();
}

/** Serves `namespaces/NS/RESOURCE[/NAME[/SUBRESOURCE]]`, or `RESOURCE` alone for all namespaces. */
function routeResource(
  deps: RouteDeps,
  request: ApiRequest,
  rest: readonly string[],
  plurals: readonly string[],
): void {
  if (rest[0] === "namespaces" && rest.length <= 2 && plurals.includes("pods")) {
    serveNamespace(deps.state, request, rest[1]);
    return;
  }
  const isNamespaced = rest[0] === "namespaces";
  const [plural = "", name, subresource] = isNamespaced ? rest.slice(2) : rest;
  const namespace = isNamespaced ? rest[1] : undefined;
  if (!plurals.includes(plural) || (namespace === undefined && rest.length > 1)) throw noSuchPath();
  if (isConfigPlural(plural) && subresource === undefined)
    serveConfigs(deps.state, request, plural, { namespace, name });
  else if (name === undefined || namespace === undefined) serveCollection(deps, request, plural, namespace);
  else if (plural === "jobs") serveJob(deps.state, request, namespace, name, subresource);
  else if (plural === "pods") servePod(deps, request, namespace, name, subresource);
  else if (plural === "events") serveEvent(deps.state, request, namespace, name);
  else throw noSuchPath();
}

function serveCollection(deps: RouteDeps, request: ApiRequest, plural: string, namespace: string | undefined): void {
  const { state } = deps;
  if (request.method === "GET") {
    if (plural === "jobs") {
      serveList(
        request,
        { plural, apiVersion: "batch/v1", kind: "Job", collection: state.jobs, printer: jobPrinter },
        namespace,
      );
    } else if (plural === "pods") {
      serveList(
        request,
        { plural, apiVersion: "v1", kind: "Pod", collection: state.pods, printer: podPrinter },
        namespace,
      );
    } else {
      serveList(
        request,
        { plural, apiVersion: "v1", kind: "Event", collection: state.events, printer: eventPrinter },
        namespace,
      );
    }
  } else if (namespace === undefined) throw methodNotAllowed();
  else if (request.method === "POST" && plural === "jobs")
    createJob(state, request, namespace, { isRun: deps.runner !== undefined });
  else if (request.method === "DELETE" && plural === "jobs") removeJobs(state, request, namespace);
  else if (request.method === "DELETE" && plural === "pods") removePods(state, request, namespace);
  else throw methodNotAllowed();
}

function serveJob(
  state: ClusterState,
  request: ApiRequest,
  namespace: string,
  name: string,
  subresource: string | undefined,
): void {
  if (subresource !== undefined && !(subresource === "status" && request.method === "GET")) throw noSuchPath();
  if (request.method === "GET") getJob(state, request, namespace, name);
  else if (request.method === "PATCH") patchJob(state, request, namespace, name);
  else if (request.method === "DELETE") removeJob(state, request, namespace, name);
  else throw methodNotAllowed();
}

function servePod(
  deps: RouteDeps,
  request: ApiRequest,
  namespace: string,
  name: string,
  subresource: string | undefined,
): void {
  const { state, runner } = deps;
  const { method } = request;
  if (subresource === "log" && method === "GET") getPodLog(state, runner, request, namespace, name);
  else if (subresource === "eviction" && method === "POST") evictPod(state, request, namespace, name);
  else if (subresource !== undefined) throw noSuchPath();
  else if (method === "GET") getPod(state, request, namespace, name);
  else if (method === "PATCH") patchPod(state, request, namespace, name);
  else if (method === "DELETE") removePod(state, request, namespace, name);
  else throw methodNotAllowed();
}

function serveEvent(state: ClusterState, request: ApiRequest, namespace: string, name: string): void {
  if (request.method !== "GET") throw methodNotAllowed();
  const event = state.events.get(namespace, name);
  if (event === undefined) throw notFound({ group: "", plural: "events", kind: "Event" }, name);
  sendJson(request.response, 200, event);
}

function serveNamespace(state: ClusterState, request: ApiRequest, name: string | undefined): void {
  if (request.method !== "GET") throw methodNotAllowed();
  if (name === undefined) {
    const items = [...state.namespaces].map(([one, uid]) => namespaceObject(one, uid));
    sendJson(request.response, 200, { kind: "NamespaceList", apiVersion: "v1", metadata: {}, items });
    return;
  }
  const uid = state.namespaces.get(name);
  if (uid === undefined) throw notFound(NAMESPACES, name);
  sendJson(request.response, 200, namespaceObject(name, uid));
}

function namespaceObject(name: string, uid: string): object {
  return {
    kind: "Namespace",
    apiVersion: "v1",
    metadata: { name, uid },
    status: { phase: "Active" },
  };
}

function noSuchPath(): ApiStatusError {
  return new ApiStatusError(404, "NotFound", "the server could not find the requested resource");
}
