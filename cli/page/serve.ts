import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Caller } from "../../shared/api/caller.ts";
import { bearerOf, type Door, MOST_BODY_BYTES, respond, tooLarge, type WebAnswer } from "../../shared/api/door.ts";
import { ProblemError } from "../../shared/api/problem.ts";
import type { Log } from "../../shared/log.ts";

const LOOPBACK = "127.0.0.1";

/** What the server of the page serves. */
export interface Serving extends Pick<Door, "room" | "page"> {
  readonly caller: Omit<Caller, "hasToken">;
  /** What each request to the API has to carry. */
  readonly token: string;
  readonly log: Log;
  /** 0 takes a free port. */
  readonly port: number;
}

/**
 * Serves page and API to this machine alone. A request is refused unless its Host is this server's own, and so is one to
 * the API without the token. Rejects with the server's error, such as EADDRINUSE.
 */
export async function serve(serving: Serving): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((request, response) => {
    answerOf(serving, request)
      .then((answered) => send(response, request, answered))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(serving.port, LOOPBACK, resolve);
  });
  return { port: portOf(server), server };
}

function answerOf(serving: Serving, request: IncomingMessage): Promise<WebAnswer> {
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as const);
  const asked = {
    method: request.method ?? "GET",
    ...addressOf(request),
    headers: new Map(headers),
    body: () => bodyOf(request),
  };
  return respond(doorOf(serving, request.socket.localPort ?? 0), asked, serving.log);
}

function doorOf({ room, page, caller, token }: Serving, port: number): Door {
  return {
    room,
    page,
    originOf(host) {
      if (host === `${LOOPBACK}:${port}` || host === `localhost:${port}`) return `http://${host}`;
      throw new ProblemError("wrong-host", `This server answers to ${LOOPBACK}:${port} alone.`);
    },
    async callerOf({ headers }) {
      if (isSame(bearerOf(headers), token)) return { ...caller, hasToken: true };
      throw new ProblemError(
        "no-token",
        "Send the token that `dispatcher ui` printed, as authorization: Bearer TOKEN.",
      );
    },
  };
}

/** Reads path and query of a request. A path that begins with no slash is no address of this server. */
function addressOf({ url = "" }: IncomingMessage): { readonly path: string; readonly query: URLSearchParams } {
  const [beforeHash = ""] = url.split("#");
  const end = beforeHash.indexOf("?");
  const path = end < 0 ? beforeHash : beforeHash.slice(0, end);
  return { path, query: new URLSearchParams(end < 0 ? "" : beforeHash.slice(end + 1)) };
}

/** Compares two secrets in the same time wherever they differ. */
function isSame(a: string, b: string): boolean {
  return timingSafeEqual(hash(a), hash(b));
}

function hash(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  // Its connection has to stay for the answer.
  for await (const part of request.iterator({ destroyOnReturn: false })) {
    const chunk = Buffer.from(part);
    bytes += chunk.length;
    if (bytes > MOST_BODY_BYTES) throw tooLarge();
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString("utf8");
}

function send(response: ServerResponse, { method }: IncomingMessage, { status, headers, body }: WebAnswer): void {
  const bytes = body === undefined ? undefined : Buffer.from(body);
  // What was not read of a request can't be told from the next one.
  if (status >= 400) response.shouldKeepAlive = false;
  response.writeHead(status, { ...headers, ...(bytes ? { "content-length": bytes.length } : {}) });
  response.end(method === "HEAD" ? undefined : bytes);
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}
