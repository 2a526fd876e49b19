import type { Change } from "../store/store.ts";
import type { StoredObject } from "../store/wire.ts";
import { ApiStatusError } from "./api-status.ts";
import type { Listed, TableOptions } from "./listed.ts";
import { type ApiRequest, integerParam } from "./request.ts";
import type { Selector } from "./selectors.ts";
import { toTable } from "./tables.ts";

/** How long a watch stays open if the client doesn't say. */
const DEFAULT_TIMEOUT_SECONDS = 1_800;

/** A client that asked for bookmarks gets one this long before its watch ends, as from a real server. */
const LAST_BOOKMARK_MS = 2_000;

/**
 * Streams changes, one JSON object a line, until the client leaves or the time is over. Without a resourceVersion the
 * stream begins with all existing objects, as ADDED. If the resourceVersion is too old, an ERROR event says 410.
 */
export function watchCollection<T extends StoredObject>(
  request: ApiRequest,
  listed: Listed<T>,
  select: Selector,
  table: TableOptions | undefined,
): void {
  const { response } = request;
  response.writeHead(200, { "content-type": "application/json", "transfer-encoding": "chunked" });
  response.flushHeaders();
  let isFirst = true;
  const send = (type: string, object: T): void => {
    const { resourceVersion } = object.metadata;
    const shown =
      table === undefined ? object : toTable(listed.printer, [object], table.include, { resourceVersion }, isFirst);
    isFirst = false;
    response.write(`${JSON.stringify({ type, object: shown })}\n`);
  };
  const tell = (change: Change<T>): void => {
    const isIn = select(change.object);
    const wasIn = change.previous !== undefined && select(change.previous);
    if (change.type === "DELETED" ? wasIn : isIn || wasIn)
      send(change.type === "DELETED" || !isIn ? "DELETED" : wasIn ? "MODIFIED" : "ADDED", change.object);
  };
  const version = request.query.get("resourceVersion") ?? "";
  if (version === "" || version === "0") {
    for (const object of listed.collection.inOrder()) if (select(object)) send("ADDED", object);
  } else {
    const missed = listed.collection.changesSince(Number(version));
    if (missed === undefined) {
      const gone = new ApiStatusError(
        410,
        "Expired",
        `too old resource version: ${version} (${listed.collection.version})`,
      );
      response.end(`${JSON.stringify({ type: "ERROR", object: gone.toStatus() })}\n`);
      return;
    }
    for (const change of missed) tell(change);
  }
  const stop = listed.collection.listen((change) => {
    // A version from the future is no error. Nothing is told until the collection has got there.
    if (change.version > Number(version)) tell(change);
  });
  const lifeMs = (integerParam(request, "timeoutSeconds") ?? DEFAULT_TIMEOUT_SECONDS) * 1000;
  const leave = (): void => {
    for (const timer of timers) clearTimeout(timer);
    stop();
  };
  const timers = [
    setTimeout(() => {
      // A client that doesn't read keeps the response from closing, and nothing may be written behind its end.
      leave();
      response.end();
    }, lifeMs),
  ];
  if (request.query.get("allowWatchBookmarks") === "true" && lifeMs > LAST_BOOKMARK_MS)
    timers.push(
      setTimeout(() => {
        sendBookmark(request, listed, table, isFirst);
        isFirst = false;
      }, lifeMs - LAST_BOOKMARK_MS),
    );
  response.once("close", leave);
}

/** Tells a client how far its watch has come. As a table, a bookmark is a row with an empty name. */
function sendBookmark<T extends StoredObject>(
  { response }: ApiRequest,
  { kind, apiVersion, collection, printer }: Listed<T>,
  table: TableOptions | undefined,
  withColumns: boolean,
): void {
  const metadata = { resourceVersion: String(collection.version) };
  const cells = printer.columns.map(({ name }) => (name === "Status" ? "Running" : ""));
  const shown =
    table === undefined
      ? { kind, apiVersion, metadata }
      : { ...toTable(printer, [], table.include, metadata, withColumns), rows: [{ cells, object: null }] };
  response.write(`${JSON.stringify({ type: "BOOKMARK", object: shown })}\n`);
}
