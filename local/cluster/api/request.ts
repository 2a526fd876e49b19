import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiStatusError, badRequest } from "./api-status.ts";

/** One request, parsed as far as every route needs it. */
export interface ApiRequest {
  readonly method: string;
  /** The decoded segments of the path. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly accept: string;
  /** The media type without parameters, in lower case. */
  readonly contentType: string;
  readonly body: Buffer;
  readonly response: ServerResponse;
}

/** The largest body. etcd takes no larger object, and so an API server doesn't either. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;

export async function readRequest(message: IncomingMessage, response: ServerResponse): Promise<ApiRequest> {
  const url = new URL(message.url ?? "/", "https://localhost");
  return {
    method: message.method ?? "GET",
    path: url.pathname.split("/").filter(Boolean).map(decode),
    query: url.searchParams,
    accept: message.headers.accept ?? "*/*",
    contentType: (message.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "",
    body: await readBody(message),
    response,
  };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest(`the path segment ${segment} is not valid`);
  }
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES) {
      throw new ApiStatusError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${MAX_BODY_BYTES}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The body as JSON; undefined if there is none. Throws 400 or 415 if it isn't JSON. */
export function jsonBody(request: ApiRequest): unknown {
  if (request.body.byteLength === 0) return undefined;
  if (request.contentType.includes("protobuf") || request.contentType.includes("cbor")) {
    throw new ApiStatusError(415, "UnsupportedMediaType", "this local cluster speaks JSON only");
  }
  try {
    return JSON.parse(request.body.toString("utf8")) as unknown;
  } catch (error) {
    throw badRequest(
      `couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** A whole number in the query; undefined if it isn't given. Throws 400 if it is no whole number. */
export function integerParam(request: ApiRequest, name: string): number | undefined {
  const text = request.query.get(name);
  if (text === null || text === "") return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw badRequest(`invalid value for ${name}: ${JSON.stringify(text)}`);
  return value;
}

export function sendJson(response: ServerResponse, code: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(code, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}
