import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecureServer, request as httpsRequest, Agent as SecureAgent } from "node:https";
import type { Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { type Listening, listen } from "./listen.ts";

export interface HttpProxyOptions {
  /** Where the server itself listens: `http://127.0.0.1:1234`, or the same with `https:`. */
  readonly target: string;
  /** The certificate, PEM, of a server with TLS. */
  readonly ca?: string;
  /** The key and certificate that the proxy shows to clients. Without them, it speaks plain HTTP. */
  readonly certificate?: { readonly key: string; readonly cert: string };
  /** How long a client's connection may rest between two requests. The default is that of Node's own servers. */
  readonly idleMs?: number;
  /** Called with each new connection of a client, before its first request. */
  readonly onConnection?: (socket: Socket) => void;
}

/** A client's request, on its way to the server. */
export interface Exchange {
  readonly method: string;
  /** The path and the query. */
  readonly url: string;
  readonly response: ServerResponse;
  /** Reads all that the client sends. */
  readonly body: () => Promise<Buffer>;
  /** Sends the request on, with these headers in place of the client's. Resolves when the server's answer begins. */
  readonly ask: (headers?: Readonly<Record<string, string>>) => Promise<IncomingMessage>;
  /** Sends the server's answer on to the client. */
  readonly pass: (answer: IncomingMessage) => Promise<void>;
}

/**
 * Stands between clients and a server. `handle` decides about each request. It may ask the server and pass the answer
 * on, answer by itself, destroy the response, which cuts the connection, or do nothing, so that the client waits. The
 * connection is cut if `handle` rejects.
 */
export function startHttpProxy(
  options: HttpProxyOptions,
  handle: (exchange: Exchange) => Promise<void>,
): Promise<Listening> {
  const { target, ca, certificate, idleMs } = options;
  const isSecure = target.startsWith("https:");
  const agent = isSecure ? new SecureAgent({ keepAlive: true, ca }) : new Agent({ keepAlive: true });
  const send = isSecure ? httpsRequest : httpRequest;

  const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
    // A client that is gone needs no answer.
    response.on("error", () => {});
    handle(exchangeOf(incoming, response, (head) => send(target + head.path, { ...head, agent }))).catch(() =>
      response.destroy(),
    );
  };
  const server = certificate ? createSecureServer({ ...certificate }, listener) : createServer(listener);
  if (idleMs !== undefined) server.keepAliveTimeout = idleMs;
  if (options.onConnection) server.on("connection", options.onConnection);
  // A client was killed in the middle of its request.
  server.on("clientError", (_error, socket) => socket.destroy());
  return listen(server).then(({ port, close }) => ({
    port,
    async close() {
      await close();
      agent.destroy();
    },
  }));
}

interface Head {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

function exchangeOf(
  incoming: IncomingMessage,
  response: ServerResponse,
  send: (head: Head) => ReturnType<typeof httpRequest>,
): Exchange {
  const { method = "GET", url = "/", headers } = incoming;
  let read: Promise<Buffer> | undefined;
  return {
    method,
    url,
    response,
    body: () => (read ??= buffer(incoming)),
    async ask(over = {}) {
      const body = await read;
      return new Promise((resolve, reject) => {
        const outgoing = send({ method, path: url, headers: { ...headers, ...over } });
        outgoing.once("response", resolve).on("error", reject);
        if (body === undefined) incoming.pipe(outgoing);
        else outgoing.end(body);
      });
    },
    pass(answer) {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      return pipeline(answer, response);
    },
  };
}
