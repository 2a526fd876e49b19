import { isRecord, valueAt } from "../../plain-data.ts";
import { excerpt, KubernetesFailure, NoAnswerError } from "./answer.ts";
import type { KubernetesConnection } from "./connection.ts";
import { readTable, TABLE, type TableRow } from "./tables.ts";

/** One event of a watch. `version`: the collection's version after it, from which another watch may go on. */
export interface TableEvent {
  readonly type: string;
  readonly version: string;
  /** Undefined if the event is about no object. */
  readonly row?: TableRow;
}

/** What is watched, from which version on, and for how long. */
export interface TableWatch {
  readonly labelSelector: string;
  readonly fieldSelector?: string;
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
}

/** The server ends the watch after the time that it was asked for. This much later it counts as silent. */
const SILENCE_GRACE_MS = 5_000;

/**
 * Watches objects as the server would print them, some 300 bytes an event. The server ends the watch after
 * `timeoutSeconds`. Throws KubernetesFailure or NoAnswerError; a version that the server has forgotten is a
 * KubernetesFailure 410.
 */
export async function* watchTable(
  connection: KubernetesConnection,
  path: string,
  request: TableWatch,
  signal: AbortSignal,
): AsyncGenerator<TableEvent> {
  const query = new URLSearchParams({
    watch: "1",
    includeObject: "None",
    allowWatchBookmarks: "true",
    ...request,
    timeoutSeconds: String(request.timeoutSeconds),
  });
  const silenceMs = request.timeoutSeconds * 1000 + SILENCE_GRACE_MS;
  const stream = { path: `${path}?${query.toString()}`, accept: TABLE };
  let columns: readonly string[] = [];
  for await (const line of await connection.lines(stream, { signal, silenceMs })) {
    const event = parseEvent(line);
    if (event.type === "ERROR") throw failureIn(event.object);
    const table = readTable(event.object, columns);
    columns = table.columns;
    const [row] = table.rows;
    // A bookmark looks like a Job that has no name and runs.
    const isObject = row !== undefined && event.type !== "BOOKMARK";
    yield { type: event.type, version: table.version, ...(isObject ? { row } : {}) };
  }
}

function parseEvent(line: string): { readonly type: string; readonly object: unknown } {
  try {
    const event: unknown = JSON.parse(line);
    if (isRecord(event) && typeof event["type"] === "string") return { type: event["type"], object: event["object"] };
  } catch {
    // The error below shows what came instead.
  }
  throw new NoAnswerError(`it sent something other than an event of a watch: ${excerpt(line)}`);
}

function failureIn(status: unknown): KubernetesFailure {
  const code = valueAt(status, ["code"]);
  return new KubernetesFailure(typeof code === "number" ? code : 500, JSON.stringify(status), {});
}
