import { statSync } from "node:fs";
import { readContainerLog, tailLines } from "../kubelet/container-log.ts";
import type { PodRunner } from "../kubelet/pod-runner.ts";
import type { ClusterState } from "../store/cluster-state.ts";
import { deletePod } from "../store/deletion.ts";
import { asJob, isObject, type Pod, timestamp } from "../store/wire.ts";
import { ApiStatusError, badRequest, notFound, type Resource } from "./api-status.ts";
import { checkPreconditions, deleteOptions, isDryRun } from "./job-routes.ts";
import { selectorOf, tableOptions } from "./listing.ts";
import { applyPatch } from "./patching.ts";
import { type ApiRequest, integerParam, jsonBody, sendJson } from "./request.ts";
import { podPrinter, toTable } from "./tables.ts";

const PODS: Resource = { group: "", plural: "pods", kind: "Pod" };
/** How often a followed log is read for more. */
const FOLLOW_MS = 200;

export function getPod(state: ClusterState, request: ApiRequest, namespace: string, name: string): void {
  const pod = findPod(state, namespace, name);
  const table = tableOptions(request);
  sendJson(request.response, 200, table === undefined ? pod : toTable(podPrinter, [pod], table.include, {}));
}

/** Patches a pod's labels and annotations. Everything else belongs to the node. */
export function patchPod(state: ClusterState, request: ApiRequest, namespace: string, name: string): void {
  const pod = findPod(state, namespace, name);
  const patched = applyPatch(pod, jsonBody(request), request.contentType);
  if (!isObject(patched) || !isObject(patched["metadata"])) throw badRequest("the patched object is not a Pod");
  const { labels, annotations } = asJob(patched).metadata;
  const { labels: _labels, annotations: _annotations, ...own } = pod.metadata;
  const metadata = {
    ...own,
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  sendJson(request.response, 200, state.pods.replace({ ...pod, metadata }) ?? pod);
}

export function removePod(state: ClusterState, request: ApiRequest, namespace: string, name: string): void {
  const pod = findPod(state, namespace, name);
  const options = deleteOptions(request);
  checkPreconditions(pod, options);
  sendJson(request.response, 200, isDryRun(request) ? pod : deletePod(state, pod, graceSeconds(request)));
}

export function removePods(state: ClusterState, request: ApiRequest, namespace: string): void {
  const select = selectorOf(request, PODS.plural, namespace);
  const items = [...state.pods.inOrder()].filter(select);
  for (const pod of items) deletePod(state, pod, graceSeconds(request));
  sendJson(request.response, 200, {
    kind: "PodList",
    apiVersion: "v1",
    metadata: { resourceVersion: String(state.pods.version) },
    items,
  });
}

/** Evicts a pod. It marks the pod as disrupted, so that its Job can tell, and deletes it. */
export function evictPod(state: ClusterState, request: ApiRequest, namespace: string, name: string): void {
  const pod = findPod(state, namespace, name);
  const condition = {
    type: "DisruptionTarget",
    status: "True",
    reason: "EvictionByEvictionAPI",
    message: "Eviction API: evicting",
    lastTransitionTime: timestamp(),
  };
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== condition.type);
  const marked = state.pods.replace({ ...pod, status: { ...pod.status, conditions: [...others, condition] } });
  deletePod(state, marked ?? pod, graceSeconds(request));
  sendJson(request.response, 201, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 });
}

export function getPodLog(
  state: ClusterState,
  runner: PodRunner | undefined,
  request: ApiRequest,
  namespace: string,
  name: string,
): void {
  const pod = findPod(state, namespace, name);
  const container = chooseContainer(pod, request.query.get("container"));
  if (pod.spec?.nodeName === undefined) {
    // A real server answers with an empty 200, too, if it can't ask a kubelet yet.
    request.response.writeHead(200, { "content-type": "text/plain" }).end();
    return;
  }
  const path = runner?.logPath(pod, container);
  const started = stateOf(pod, container);
  if (path === undefined || (started?.running === undefined && started?.terminated?.startedAt === undefined)) {
    if (started?.terminated !== undefined) throw badRequest(`container "${container}" in pod "${name}" is terminated`);
    const reason = started?.waiting?.reason ?? "ContainerCreating";
    const why = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"].includes(reason)
      ? "trying and failing to pull image"
      : `waiting to start: ${reason}`;
    throw badRequest(`container "${container}" in pod "${name}" is ${why}`);
  }
  const lines = integerParam(request, "tailLines");
  const limit = integerParam(request, "limitBytes");
  const whole = readContainerLog(path);
  const tail = lines === undefined ? whole : tailLines(whole, lines);
  const shown = limit === undefined ? tail : tail.subarray(0, limit);
  request.response.writeHead(200, { "content-type": "text/plain" });
  if (request.query.get("follow") !== "true" || limit !== undefined) {
    request.response.end(shown);
    return;
  }
  request.response.write(shown);
  followLog(state, request, pod, container, path, whole.byteLength);
}

/** Sends the lines that are added to a log, until its container has ended. */
function followLog(
  state: ClusterState,
  request: ApiRequest,
  pod: Pod,
  container: string,
  path: string,
  from: number,
): void {
  let sent = from;
  const timer = setInterval(() => {
    const current = state.pods.get(pod.metadata.namespace, pod.metadata.name);
    const isOver = current === undefined || stateOf(current, container)?.terminated !== undefined;
    if (isOver || (statSync(path, { throwIfNoEntry: false })?.size ?? 0) !== sent) {
      const log = readContainerLog(path);
      request.response.write(log.subarray(sent));
      sent = Math.max(sent, log.byteLength);
    }
    if (isOver) request.response.end();
  }, FOLLOW_MS);
  request.response.once("close", () => clearInterval(timer));
}

function stateOf(pod: Pod, container: string) {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  return statuses.find(({ name }) => name === container)?.state;
}

function chooseContainer(pod: Pod, wanted: string | null): string {
  const names = (pod.spec?.containers ?? []).map(({ name }) => name);
  const init = (pod.spec?.initContainers ?? []).map(({ name }) => name);
  if (wanted !== null && wanted !== "") {
    if (names.includes(wanted) || init.includes(wanted)) return wanted;
    throw badRequest(`container ${wanted} is not valid for pod ${pod.metadata.name}`);
  }
  const [only, ...others] = names;
  if (only !== undefined && others.length === 0) return only;
  throw badRequest(
    `a container name must be specified for pod ${pod.metadata.name}, choose one of: [${[...names, ...init].join(" ")}]`,
  );
}

function graceSeconds(request: ApiRequest): number | undefined {
  const given = integerParam(request, "gracePeriodSeconds");
  if (given !== undefined) return given;
  const fromBody = deleteOptions(request).gracePeriodSeconds;
  return typeof fromBody === "number" ? fromBody : undefined;
}

function findPod(state: ClusterState, namespace: string, name: string): Pod {
  const pod = state.pods.get(namespace, name);
  if (pod === undefined) throw notFound(PODS, name);
  return pod;
}

/** The refusal for a method that the path doesn't know. */
export function methodNotAllowed(): ApiStatusError {
  return new ApiStatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
}
