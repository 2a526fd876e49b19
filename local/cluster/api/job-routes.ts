import { Faults } from "../rules/field-faults.ts";
import { admitJob } from "../rules/job-admission.ts";
import { checkCommands, checkJobUpdate, checkNewJob, JOBS } from "../rules/job-rules.ts";
import type { ClusterState } from "../store/cluster-state.ts";
import { deleteJob, type PropagationPolicy } from "../store/deletion.ts";
import { asJob, isObject, type Job } from "../store/wire.ts";
import { ApiStatusError, alreadyExists, badRequest, conflict, invalid, notFound } from "./api-status.ts";
import { selectorOf, tableOptions } from "./listing.ts";
import { applyPatch } from "./patching.ts";
import { type ApiRequest, jsonBody, sendJson } from "./request.ts";
import { jobPrinter, metadataAlone, toTable } from "./tables.ts";

/**
 * Stores a Job. A dry run refuses what a node of this cluster could not run, as a webhook of a real one may, so that a
 * person hears of it before the first message.
 */
export function createJob(
  state: ClusterState,
  request: ApiRequest,
  namespace: string,
  { isRun }: { readonly isRun: boolean },
): void {
  if (!state.namespaces.has(namespace))
    throw notFound({ group: "", plural: "namespaces", kind: "Namespace" }, namespace);
  const job = admitJob(jsonBody(request), namespace);
  judged(() => checkNewJob(job));
  if (isRun && isDryRun(request)) judged(() => checkCommands(job));
  if (state.jobs.get(namespace, job.metadata.name) !== undefined) throw alreadyExists(JOBS, job.metadata.name);
  sendWritten(request, 201, isDryRun(request) ? job : state.jobs.insert(job));
}

export function getJob(state: ClusterState, request: ApiRequest, namespace: string, name: string): void {
  const job = findJob(state, namespace, name);
  const table = tableOptions(request);
  sendJson(request.response, 200, table === undefined ? job : toTable(jobPrinter, [job], table.include, {}));
}

export function patchJob(state: ClusterState, request: ApiRequest, namespace: string, name: string): void {
  const job = findJob(state, namespace, name);
  const patched = applyPatch(job, jsonBody(request), request.contentType);
  if (!isObject(patched) || !isObject(patched["metadata"])) throw badRequest("the patched object is not a Job");
  const next = asJob(patched);
  checkIdentity(job, next);
  const spec = dropNulls(next.spec);
  const isSpecChanged = JSON.stringify(spec) !== JSON.stringify(job.spec);
  const generation = (job.metadata.generation ?? 1) + (isSpecChanged ? 1 : 0);
  // A patch may change labels, annotations and the spec. The other fields belong to the server.
  const { labels: _labels, annotations: _annotations, ...own } = job.metadata;
  const { labels, annotations } = next.metadata;
  const result: Job = {
    ...job,
    metadata: {
      ...own,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      generation,
    },
    ...(spec === undefined ? {} : { spec }),
  };
  judged(() => checkJobUpdate(job, result));
  sendWritten(request, 200, isDryRun(request) ? result : (state.jobs.replace(result) ?? result));
}

export function removeJob(state: ClusterState, request: ApiRequest, namespace: string, name: string): void {
  const job = findJob(state, namespace, name);
  const options = deleteOptions(request);
  checkPreconditions(job, options);
  if (!isDryRun(request)) deleteJob(state, job, propagationPolicy(request, options));
  const { uid } = job.metadata;
  sendJson(request.response, 200, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name, group: JOBS.group, kind: JOBS.plural, uid },
  });
}

/** Deletes every Job that the request selects. */
export function removeJobs(state: ClusterState, request: ApiRequest, namespace: string): void {
  const select = selectorOf(request, JOBS.plural, namespace);
  const policy = propagationPolicy(request, deleteOptions(request));
  const items = [...state.jobs.inOrder()].filter(select);
  for (const job of items) deleteJob(state, job, policy);
  const metadata = { resourceVersion: String(state.jobs.version) };
  sendJson(request.response, 200, { kind: "JobList", apiVersion: "batch/v1", metadata, items });
}

/** Answers with a Job that was made or changed, in the form that the client wants. */
function sendWritten(request: ApiRequest, code: number, job: Job): void {
  const isMetadataAlone = /^[^,]*;\s*as=PartialObjectMetadata/u.test(request.accept);
  sendJson(request.response, code, isMetadataAlone ? metadataAlone(job) : job);
}

/**
 * Runs the rules. A field of the wrong kind (text for a list ...) makes them throw before they can name it, so such an
 * error becomes a 400.
 */
function judged(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof TypeError)
      throw badRequest(`Job in version "v1" cannot be handled as a Job: ${error.message}`);
    throw error;
  }
}

function findJob(state: ClusterState, namespace: string, name: string): Job {
  const job = state.jobs.get(namespace, name);
  if (job === undefined) throw notFound(JOBS, name);
  return job;
}

/**
 * Throws if a patch names another uid or resourceVersion, which are preconditions, or another name or namespace, which
 * can't change.
 */
function checkIdentity(job: Job, next: Job): void {
  const { name, namespace, uid, resourceVersion } = job.metadata;
  if (next.metadata.uid !== uid) {
    const faults = new Faults();
    faults.invalid("metadata.uid", next.metadata.uid, "field is immutable");
    throw invalid(JOBS, name, faults.list);
  }
  if (next.metadata.resourceVersion !== resourceVersion) {
    throw conflict(
      JOBS,
      name,
      "the object has been modified; please apply your changes to the latest version and try again",
    );
  }
  if (next.metadata.name !== name || next.metadata.namespace !== namespace) {
    throw badRequest(`the name of the object (${next.metadata.name}) does not match the name on the URL (${name})`);
  }
}

function dropNulls(spec: Job["spec"]): Job["spec"] {
  if (spec === undefined) return undefined;
  const entries = Object.entries(spec).filter(([, value]) => value !== null);
  return asJob({ spec: Object.fromEntries(entries) }).spec;
}

export interface DeleteOptions {
  readonly propagationPolicy?: unknown;
  readonly orphanDependents?: unknown;
  readonly gracePeriodSeconds?: unknown;
  readonly preconditions?: { readonly uid?: unknown; readonly resourceVersion?: unknown };
}

export function deleteOptions(request: ApiRequest): DeleteOptions {
  const body = jsonBody(request);
  if (body === undefined || isObject(body)) return body ?? {};
  throw badRequest("DeleteOptions has to be a JSON object");
}

/** Throws 409 if the object isn't the one that the client means. */
export function checkPreconditions(object: { readonly metadata: Job["metadata"] }, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const { metadata } = object;
  if (uid !== undefined && uid !== metadata.uid) {
    throw conflict(
      JOBS,
      metadata.name,
      `Precondition failed: UID in precondition: ${JSON.stringify(uid)}, UID in object meta: ${metadata.uid}`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    const found = `ResourceVersion in object meta: ${metadata.resourceVersion}`;
    throw conflict(
      JOBS,
      metadata.name,
      `Precondition failed: ResourceVersion in precondition: ${JSON.stringify(resourceVersion)}, ${found}`,
    );
  }
}

/**
 * How to treat the Job's pods. If the client says nothing, they stay, because the batch/v1 API has done so since its
 * first day.
 */
function propagationPolicy(request: ApiRequest, options: DeleteOptions): PropagationPolicy {
  const wanted = request.query.get("propagationPolicy") ?? options.propagationPolicy;
  if (wanted === undefined || wanted === null) return options.orphanDependents === false ? "Background" : "Orphan";
  if (wanted === "Background" || wanted === "Foreground" || wanted === "Orphan") return wanted;
  const message = `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: ${JSON.stringify(wanted)}: must be one of Background, Foreground, Orphan`;
  throw new ApiStatusError(422, "Invalid", message);
}

export function isDryRun(request: ApiRequest): boolean {
  return request.query.getAll("dryRun").includes("All");
}
