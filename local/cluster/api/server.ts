import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { ApiStatusError } from "./api-status.ts";
import { readRequest, sendJson } from "./request.ts";
import { type RouteDeps, route } from "./routes.ts";

export interface ApiServer {
  readonly port: number;
  close(): Promise<void>;
}

/** How long a client's idle connection stays open. It is longer than the pause between two ticks of the Dispatcher. */
const KEEP_ALIVE_MS = 60_000;

/**
 * Serves the API on 127.0.0.1 alone. Since it runs commands, it answers no client without the token. Since a web page
 * could make a browser ask this port under a name of its own, it answers to its own names only. Throws if the port is
 * taken.
 */
export async function startApiServer(
  deps: RouteDeps,
  options: {
    readonly port: number;
    readonly token: string;
    readonly certificate: { readonly key: string; readonly cert: string };
  },
): Promise<ApiServer> {
  const server = createServer({ ...options.certificate, keepAliveTimeout: KEEP_ALIVE_MS }, (message, response) => {
    void serve(deps, options.token, message, response);
  });
  await listen(server, options.port);
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  deps: RouteDeps,
  token: string,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    checkHost(message);
    checkToken(message, token);
    route(deps, await readRequest(message, response));
  } catch (error) {
    refuse(response, error);
  }
}

function checkHost(message: IncomingMessage): void {
  const host = (message.headers.host ?? "").replace(/:\d+$/u, "");
  if (host === "127.0.0.1" || host === "localhost") return;
  throw new ApiStatusError(
    403,
    "Forbidden",
    `this local cluster answers to 127.0.0.1 and localhost only, not to the host ${JSON.stringify(host)}`,
  );
}

function checkToken(message: IncomingMessage, token: string): void {
  const given = Buffer.from(message.headers.authorization ?? "");
  const wanted = Buffer.from(`Bearer ${token}`);
  if (given.byteLength === wanted.byteLength && timingSafeEqual(given, wanted)) return;
  throw new ApiStatusError(401, "Unauthorized", "Unauthorized");
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (error instanceof ApiStatusError) {
    if (error.code === 413) response.setHeader("connection", "close");
    sendJson(response, error.code, error.toStatus());
    return;
  }
  console.error("local cluster: a request failed", error);
  const message = `Internal error occurred: ${error instanceof Error ? error.message : String(error)}`;
  sendJson(response, 500, new ApiStatusError(500, "InternalError", message).toStatus());
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve();
    });
  });
}
