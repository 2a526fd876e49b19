import { randomUUID } from "node:crypto";
import { checkAnnotations, checkLabels, checkSubdomain, Faults } from "../rules/field-faults.ts";
import type { ClusterState } from "../store/cluster-state.ts";
import type { Collection } from "../store/store.ts";
import { asConfig, type Config, isObject, type JsonObject, timestamp } from "../store/wire.ts";
import { alreadyExists, badRequest, invalid, notFound, type Resource } from "./api-status.ts";
import { checkPreconditions, deleteOptions, isDryRun } from "./job-routes.ts";
import { serveList } from "./listing.ts";
import { methodNotAllowed } from "./pod-routes.ts";
import { type ApiRequest, jsonBody, sendJson } from "./request.ts";
import { configPrinter } from "./tables.ts";

const RESOURCES = {
  secrets: { group: "", plural: "secrets", kind: "Secret" },
  configmaps: { group: "", plural: "configmaps", kind: "ConfigMap" },
} as const satisfies Record<string, Resource>;

export type ConfigPlural = keyof typeof RESOURCES;

export function isConfigPlural(plural: string): plural is ConfigPlural {
  return Object.hasOwn(RESOURCES, plural);
}

/** Serves Secrets and ConfigMaps: list, watch, create, read and delete. The content of one never changes. */
export function serveConfigs(
  state: ClusterState,
  request: ApiRequest,
  plural: ConfigPlural,
  at: { readonly namespace: string | undefined; readonly name: string | undefined },
): void {
  const { namespace, name } = at;
  const { method } = request;
  const resource = RESOURCES[plural];
  const collection = plural === "secrets" ? state.secrets : state.configMaps;
  if (namespace !== undefined && name !== undefined) serveOne(request, resource, collection, namespace, name);
  else if (method === "GET")
    serveList(request, { ...resource, apiVersion: "v1", collection, printer: configPrinter }, namespace);
  else if (method === "POST" && namespace !== undefined) {
    if (!state.namespaces.has(namespace))
      throw notFound({ group: "", plural: "namespaces", kind: "Namespace" }, namespace);
    create(request, resource, collection, namespace);
  } else throw methodNotAllowed();
}

function serveOne(
  request: ApiRequest,
  resource: Resource,
  collection: Collection<Config>,
  namespace: string,
  name: string,
): void {
  const config = collection.get(namespace, name);
  if (config === undefined) throw notFound(resource, name);
  if (request.method === "DELETE") {
    checkPreconditions(config, deleteOptions(request));
    if (!isDryRun(request)) collection.remove(config);
  } else if (request.method !== "GET") throw methodNotAllowed();
  sendJson(request.response, 200, config);
}

function create(request: ApiRequest, resource: Resource, collection: Collection<Config>, namespace: string): void {
  const config = admit(jsonBody(request), resource.kind, namespace);
  const { name, labels, annotations } = config.metadata;
  const faults = new Faults();
  checkSubdomain(faults, "metadata.name", name, 253);
  checkLabels(faults, "metadata.labels", labels);
  checkAnnotations(faults, "metadata.annotations", annotations);
  checkKeys(faults, "data", config.data);
  checkKeys(faults, "binaryData", config.binaryData);
  if (faults.list.length > 0) throw invalid(resource, name, faults.list);
  if (collection.get(namespace, name) !== undefined) throw alreadyExists(resource, name);
  sendJson(request.response, 201, isDryRun(request) ? config : collection.insert(config));
}

/** The object that a request body asks for. Throws 400 if it is of another kind, or holds something other than text. */
function admit(body: unknown, kind: string, namespace: string): Config {
  if (!isObject(body) || (body["kind"] ?? kind) !== kind) throw badRequest(`the object provided is not a ${kind}`);
  const { metadata, data, stringData, binaryData, type = "Opaque" } = body;
  const given = isObject(metadata) ? metadata : {};
  const name = typeof given["name"] === "string" ? given["name"] : "";
  const isSecret = kind === "Secret";
  const values = { ...texts(data, "data"), ...(isSecret ? inBase64(texts(stringData, "stringData")) : {}) };
  return asConfig({
    apiVersion: "v1",
    kind,
    metadata: { ...given, name, namespace, uid: randomUUID(), resourceVersion: "", creationTimestamp: timestamp() },
    data: values,
    ...(isSecret ? { type } : { binaryData: texts(binaryData, "binaryData") }),
  });
}

function texts(map: unknown, field: string): Readonly<Record<string, string>> {
  const entries = Object.entries(isObject(map) ? map : {}).map(([key, value]): [string, string] => {
    if (typeof value !== "string") throw badRequest(`${field}.${key} has to be text`);
    return [key, value];
  });
  return Object.fromEntries(entries);
}

function inBase64(map: Readonly<Record<string, string>>): JsonObject {
  return Object.fromEntries(Object.entries(map).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
}

/** Adds a fault for each key that can't be the name of a file, because a key may become one. */
function checkKeys(faults: Faults, field: string, map: Readonly<Record<string, string>> | undefined): void {
  for (const key of Object.keys(map ?? {})) {
    if (!/^[-._a-zA-Z0-9]{1,253}$/u.test(key) || key === "." || key.startsWith(".."))
      faults.invalid(
        `${field}[${key}]`,
        key,
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
      );
  }
}
