import { type Collection, keyOf } from "../store/store.ts";
import { isObject, type StoredObject } from "../store/wire.ts";
import { ApiStatusError, badRequest } from "./api-status.ts";
import type { Listed, TableOptions } from "./listed.ts";
import { type ApiRequest, integerParam, sendJson } from "./request.ts";
import { parseFieldSelector, parseLabelSelector, type Selector } from "./selectors.ts";
import { toTable } from "./tables.ts";
import { watchCollection } from "./watching.ts";

/** How long a `continue` token is valid. A real server keeps old versions for as long. */
const TOKEN_LIFE_MS = 5 * 60 * 1000;

/** Answers a list or a watch of one resource, in one namespace or in all. */
export function serveList<T extends StoredObject>(
  request: ApiRequest,
  listed: Listed<T>,
  namespace: string | undefined,
): void {
  const select = selectorOf(request, listed.plural, namespace);
  const table = tableOptions(request);
  if (["true", "1"].includes(request.query.get("watch") ?? "")) {
    watchCollection(request, listed, select, table);
    return;
  }
  const limit = integerParam(request, "limit");
  const { items, next, isCut } = page(listed.collection, select, namespace, limit, request.query.get("continue"));
  const resourceVersion = String(listed.collection.version);
  const metadata = { resourceVersion, ...(isCut ? { continue: makeToken(next) } : {}) };
  sendJson(
    request.response,
    200,
    table === undefined
      ? { kind: `${listed.kind}List`, apiVersion: listed.apiVersion, metadata, items }
      : toTable(listed.printer, items, table.include, metadata),
  );
}

/** How to print the table, if the client asked for one, as kubectl does. */
export function tableOptions(request: ApiRequest): TableOptions | undefined {
  const first = request.accept
    .split(",")
    .find((type) => !type.includes("as=") || type.includes("v=v1;") || type.endsWith("v=v1"));
  if (first === undefined || !/;\s*as=Table/u.test(first)) return undefined;
  const include = request.query.get("includeObject") ?? "Metadata";
  if (include !== "None" && include !== "Metadata" && include !== "Object") {
    throw badRequest(`unrecognized includeObject value: ${include}`);
  }
  return { include };
}

/** Combines the label selector, the field selector and the namespace of a request. */
export function selectorOf(request: ApiRequest, plural: string, namespace: string | undefined): Selector {
  const labels = parseLabelSelector(request.query.get("labelSelector"));
  const fields = parseFieldSelector(request.query.get("fieldSelector"), plural);
  return (object) =>
    (namespace === undefined || object.metadata.namespace === namespace) && labels(object) && fields(object);
}

/**
 * One page, in order of names. Unlike on a real server, later pages show the collection as it is by then, not as it was
 * at the first page. An object that stays is in exactly one page all the same.
 */
function page<T extends StoredObject>(
  collection: Collection<T>,
  select: Selector,
  namespace: string | undefined,
  limit: number | undefined,
  token: string | null,
): { items: T[]; next: string; isCut: boolean } {
  const most = limit === undefined || limit === 0 ? Number.POSITIVE_INFINITY : limit;
  const items: T[] = [];
  let last = token === null || token === "" ? (namespace === undefined ? "" : `${namespace}/`) : readToken(token);
  for (const object of collection.inOrder(last)) {
    if (namespace !== undefined && object.metadata.namespace !== namespace) break;
    if (!select(object)) continue;
    if (items.length === most) return { items, next: last, isCut: true };
    items.push(object);
    last = keyOf(object.metadata.namespace, object.metadata.name);
  }
  return { items, next: last, isCut: false };
}

function makeToken(afterKey: string): string {
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", after: afterKey, at: Date.now() })).toString("base64url");
}

function readToken(token: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
  } catch {
    throw badRequest("continue key is not valid");
  }
  const { after, at } = isObject(parsed) ? parsed : {};
  if (typeof after !== "string" || typeof at !== "number") throw badRequest("continue key is not valid");
  if (Date.now() - at > TOKEN_LIFE_MS) {
    const message =
      "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.";
    throw new ApiStatusError(410, "Expired", message);
  }
  return after;
}
