import type { Edge } from "./edges.ts";

/** A request as a proxy has read it. */
export interface HttpCall {
  readonly method: string;
  /** The path and the query, escaped as in the request line. */
  readonly url: string;
  readonly body: string;
}

/**
 * Names the calls of the app that this request to the table service is. A transaction can be several calls; a request
 * that the app doesn't make is none.
 */
export function tableEdges(call: HttpCall): Edge[] {
  const edges = isTransaction(call) ? stepsOf(call.body).map(stepEdge) : [tableEdge(call)];
  return [...new Set(edges)].flatMap((edge) => edge ?? []);
}

/** Tells whether the request is a transaction: several changes to rows, of which all are made or none. */
export function isTransaction({ url }: HttpCall): boolean {
  return url.split("?")[0]?.endsWith("/$batch") === true;
}

function tableEdge({ method, url, body }: HttpCall): Edge | undefined {
  const [path = "", query = ""] = url.split("?");
  if (path.endsWith("/Tables") && method === "POST") return "make the table";
  const rowKey = rowKeyIn(path);
  if (rowKey !== undefined) return rowEdge(method, rowKey, body);
  if (method === "GET") return queryEdge(decodeURIComponent(query.replaceAll("+", " ")));
  if (method !== "POST") return undefined;
  const inserted = field(body, "RowKey");
  if (inserted === "owner") return "make the owner";
  if (inserted === "cluster") return "record the cluster";
  if (inserted.startsWith("held|")) return "hold a source";
  if (inserted.startsWith("module|")) return "note a module's state";
  if (inserted.startsWith("gate|")) return "note a gate's state";
  return inserted.startsWith("source|") ? "register a source" : undefined;
}

interface TableStep {
  readonly method: string;
  readonly rowKey: string;
  readonly json: string;
}

function stepsOf(transaction: string): TableStep[] {
  return transaction.split(/^--changeset.*$/m).flatMap((part) => {
    const [, method = "", url = ""] = /^(POST|PUT|PATCH|DELETE) (\S+)/m.exec(part) ?? [];
    const json = /^\{.*$/m.exec(part)?.[0] ?? "";
    return method === "" ? [] : [{ method, rowKey: rowKeyIn(url) ?? field(json, "RowKey"), json }];
  });
}

/**
 * Names the call that one step of a transaction is. A run's rows are written together and count as one call: the mark
 * names an insert, a closing and a reopening; the new row names a move. A row that is written alone counts too: an app
 * that was built without a guard does that.
 */
function stepEdge({ method, rowKey, json }: TableStep, _index: number, steps: readonly TableStep[]): Edge | undefined {
  // What a person does is named by the row that it changes.
  if (rowKey.startsWith("action|")) return method === "DELETE" ? "purge actions" : undefined;
  if (rowKey.startsWith("redrive|")) return "note how far a redrive is";
  if (rowKey.startsWith("run|")) {
    if (method === "POST" && /\|r\d+$/.test(rowKey)) return "claim a letter";
    const [, , number] = rowKey.split("|");
    const isBesides = (verb: string, kind: string) =>
      steps.some((step) => step.method === verb && step.rowKey.startsWith(kind) && step.rowKey.includes(`|${number}|`));
    // The run whose letter is claimed no longer names it.
    if (method === "PUT" && isBesides("POST", "run|")) return undefined;
    if (method === "PUT" && isBesides("PUT", "dead|")) return "note a letter again";
    return markEdge(method, field(json, "status"));
  }
  if (method === "PUT" || /^(lease|ends|held\|.*|limit\|.*)$/.test(rowKey)) return rowEdge(method, rowKey, json);
  const number = openNumber(rowKey);
  if (number === undefined) return undefined;
  const others = steps.filter((step) => step.rowKey !== rowKey);
  if (others.some((step) => ["POST", "DELETE"].includes(step.method) && openNumber(step.rowKey) === number))
    return method === "POST" ? updateEdge(field(json, "status")) : undefined;
  if (others.some((step) => step.rowKey.startsWith("run|") && step.rowKey.split("|")[2] === number)) return undefined;
  return method === "POST" ? "insert a run" : "close a run";
}

/** Names the call that writes the mark of a run. If the run stays open, another step of its move names the call. */
function markEdge(method: string, status: string): Edge | undefined {
  if (method === "DELETE") return "purge history";
  if (method === "POST") return "insert a run";
  if (method === "PUT") return "reopen a run";
  return status === "open" ? undefined : "close a run";
}

/** Reads the sequence number, as it stands in the key, of an open run's row; undefined if it is another row. */
function openNumber(rowKey: string): string | undefined {
  const [kind, first, second, third] = rowKey.split("|");
  if (kind === "work" || kind === "open") return first;
  if (kind === "hold") return second;
  return kind === "wait" || kind === "later" ? third : undefined;
}

function rowKeyIn(url: string): string | undefined {
  return /RowKey='([^']*)'\)$/.exec(decodeURIComponent(url))?.[1];
}

function rowEdge(method: string, rowKey: string, body: string): Edge | undefined {
  const reads = method === "GET";
  if (rowKey === "owner") return reads ? "read the owner" : undefined;
  if (rowKey === "cluster") return reads ? "read the cluster's record" : "record the cluster";
  if (rowKey.startsWith("held|")) return reads ? undefined : "hold a source";
  if (rowKey === "tick") return reads ? "read the tick" : "record the tick";
  if (rowKey === "lease") return reads ? "read who ticks" : "note who ticks";
  if (rowKey === "ends") return reads ? "read the recent ends" : "note the recent ends";
  if (rowKey === "sweep") return reads ? "read the sweep's cursor" : "save the sweep's cursor";
  if (rowKey.startsWith("run|")) return reads ? "find a run" : undefined;
  if (rowKey.startsWith("module|")) return reads ? undefined : "note a module's state";
  if (rowKey.startsWith("limit|")) return method === "DELETE" ? "remove a limit" : undefined;
  if (rowKey.startsWith("gate|")) return reads ? undefined : "note a gate's state";
  // The purge looks which rows of a run are left if one of them was gone.
  if (/^(msg|corr|dead)\|/.test(rowKey)) return reads ? "look for history" : undefined;
  if (openNumber(rowKey) === undefined) return undefined;
  return reads ? "read an open run" : updateEdge(field(body, "status"));
}

function updateEdge(status: string): Edge | undefined {
  switch (status) {
    case "accepted":
      return "update a run to accepted";
    case "held":
      return "update a run to held";
    case "waiting":
      return "update a run to waiting";
    case "dispatched":
      return "update a run to dispatched";
    case "requeueing":
      return "update a run to requeueing";
    case "settling":
      return "update a run to settling";
    default:
      return undefined;
  }
}

function queryEdge(query: string): Edge | undefined {
  const first = /RowKey ge '([a-z]+)\|/.exec(query)?.[1] ?? "";
  switch (first) {
    case "work":
      return "list the runs at work";
    case "later":
      return "list what comes due";
    case "wait":
      return "look at the lines";
    case "hold":
      return "look at what is held";
    case "open":
      return "list the rows of before";
    case "source":
      return "list the sources";
    case "held":
      return "list the held sources";
    case "module":
      return "list the modules' states";
    case "action":
      return "look for old actions";
    case "limit":
      return "list the limits";
    case "redrive":
      return "list the redrives";
    case "gate":
      return "list the gates' states";
    case "dead":
      return "look for history";
    case "run":
      return query.includes("closedAt lt") ? "look for history" : "compare messages with their runs";
    default:
      return undefined;
  }
}

/** Names the call of the app that this request to the blob service is; undefined if a worker reads its body. */
export function blobEdge({ method, url }: HttpCall): Edge | undefined {
  const path = url.split("?")[0] ?? "";
  const [, , , ...blob] = path.split("/");
  const name = blob.at(-1) ?? "";
  if (blob.length === 0) {
    if (method === "PUT") return "make a container";
    return url.includes("comp=list") ? "list the bodies" : "look at a container";
  }
  if (name === "body") return method === "PUT" ? "store a body" : method === "DELETE" ? "delete a body" : undefined;
  return name.endsWith(".log") && method === "PUT" ? "store a log" : undefined;
}

/**
 * Tells whether a worker makes this request to the blob service: it reads its body by the URL that its Job was given.
 */
export function isWorkersRead({ method, url }: HttpCall): boolean {
  return method === "GET" && /\/body\?.*\bsig=/.test(url);
}

/** Names the call of the app that this request to the cluster is; undefined if the app makes no such request. */
export function clusterEdge({ method, url, body }: HttpCall): Edge | undefined {
  const { pathname, searchParams: query } = new URL(url, "https://cluster");
  if (pathname.endsWith("/selfsubjectaccessreviews")) return "ask for a right";
  if (pathname === "/version") return "ask for the version";
  if (pathname.startsWith("/openapi/")) return "ask about KEDA";
  if (/\/api\/v1\/namespaces\/[^/]+$/.test(pathname)) return "look at the namespace";
  const [, kind, name, part] = /\/namespaces\/[^/]+\/(\w+)(?:\/([^/]+))?(?:\/(\w+))?$/.exec(pathname) ?? [];
  if (kind === "pods" && part === "log") return "read a log";
  if (kind === "pods" && query.has("watch")) return "watch the pods";
  if (kind === "pods") return query.has("fieldSelector") ? "list the pods" : "read a job's pods";
  if (kind === "events") return "read events";
  if (kind !== "jobs") return undefined;
  if (method === "POST") return query.has("dryRun") ? "try a job" : "create a job";
  if (method === "PATCH") return body.includes("ttlSecondsAfterFinished") ? "retire a job" : "end a job";
  if (name !== undefined) return query.has("includeObject") ? "glance at a job" : "read a job";
  if (query.has("watch")) return "watch the jobs";
  const selector = query.get("labelSelector");
  if (selector === null) return "look at the jobs";
  if (selector.includes("ion/cancel=true")) return "list the cancelled jobs";
  return selector.includes("ion/retired!=true") ? "list the jobs" : "count the jobs";
}

/** Reads a text field of a JSON object; "" if there is no such field. */
function field(json: string, name: string): string {
  try {
    const value: unknown = Reflect.get(Object(JSON.parse(json)), name);
    return typeof value === "string" ? value : "";
  } catch {
    return "";
  }
}
