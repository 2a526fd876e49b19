import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { errorStack } from "./error-stack.ts";
import type { HostLog } from "./host-log.ts";
import type { Invoke } from "./invoke.ts";
import type { RegisteredFunction, Rpc, RpcHttp } from "./rpc.ts";
import type { Listener } from "./service-bus-listener.ts";

export interface HttpListenerOptions {
  readonly functions: readonly RegisteredFunction[];
  readonly routePrefix: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** The address of the network interface. */
  readonly address: string;
  /**
   * The key that `x-functions-key` must hold for functions that are not anonymous. Without a key, those functions
   * refuse every request.
   */
  readonly functionKey?: string;
  readonly invoke: Invoke;
  readonly log: HostLog;
}

/** A larger body is refused, because this process holds all of it. The Functions host takes 100 MB. */
const MOST_BODY_BYTES = 4 * 1024 * 1024;

/** The address that only this machine reaches. */
export const LOOPBACK = "127.0.0.1";

/** Resolves to `port`, or to 0, which takes a free port, if another program listens on `port`. */
export async function freePort(port: number, address: string): Promise<number> {
  const probe = createServer();
  const problem = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    probe.once("error", resolve).listen(port, address, () => resolve(undefined));
  });
  if (problem === undefined) await new Promise((resolve) => probe.close(resolve));
  // The server itself reports any other problem with port or address.
  return problem?.code === "EADDRINUSE" ? 0 : port;
}

/** Serves the HTTP functions. Rejects with the server's error, such as EADDRINUSE. */
export async function serve(options: HttpListenerOptions): Promise<Listener & { readonly port: number }> {
  const routes = options.functions.map((fn) => routeOf(fn, options.routePrefix));
  const answering = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    answering.add(response);
    response.on("close", () => answering.delete(response));
    answer(options, routes, request, response).catch((error: unknown) => {
      options.log.system("error", `${request.method} ${request.url} failed: ${errorStack(error)}`);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(options.port, options.address, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" ? (address?.port ?? 0) : 0,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      // A client that keeps its connection for another request would keep the server from closing.
      for (const response of answering) response.shouldKeepAlive = false;
      await closed;
    },
  };
}

interface Route {
  readonly fn: RegisteredFunction;
  readonly methods: readonly string[];
  readonly pattern: RegExp;
}

/** Makes a route of `orders/{id}` or `files/{*path}`. Constraints after a colon are not checked. */
function routeOf(fn: RegisteredFunction, prefix: string): Route {
  const { route, methods } = fn.trigger.binding;
  const path = [prefix, typeof route === "string" ? route : fn.name].filter(Boolean).join("/");
  const pattern = path
    .split("/")
    .map((segment) => {
      const name = /^\{(\*?)(\w+).*\}$/.exec(segment);
      if (!name) return `/${segment.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}`;
      // The rest of a path may be empty, and then needs no slash.
      return name[1] ? `(?:/(?<${name[2]}>.*))?` : `/(?<${name[2]}>[^/]+)`;
    })
    .join("");
  const allowed = Array.isArray(methods) ? methods.map((method) => String(method).toUpperCase()) : ["GET", "POST"];
  return { fn, methods: allowed, pattern: new RegExp(`^${pattern}/?$`, "i") };
}

async function answer(
  options: HttpListenerOptions,
  routes: Route[],
  request: IncomingMessage,
  response: ServerResponse,
) {
  const url = urlOf(request);
  if (url === undefined) {
    response.writeHead(400).end();
    return;
  }
  const found = routes.filter(({ pattern }) => pattern.test(url.pathname));
  const route = found.find(({ methods }) => methods.includes(request.method ?? ""));
  if (!route) {
    response.writeHead(found.length > 0 ? 405 : 404).end();
    return;
  }
  if (!isAllowed(route.fn, request, url, options.functionKey)) {
    response.writeHead(401).end();
    return;
  }

  const bytes = await bodyOf(request);
  if (bytes === undefined) {
    // What was not read of this request can't be told from the next one.
    response.shouldKeepAlive = false;
    response.writeHead(413).end();
    return;
  }
  const http: RpcHttp = {
    method: request.method ?? "GET",
    url: url.href,
    headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
    params: decoded(route.pattern.exec(url.pathname)?.groups ?? {}),
    query: Object.fromEntries(url.searchParams),
    body: { bytes },
  };
  try {
    send(response, (await options.invoke(route.fn, { input: { http }, metadata: {} }))?.http);
  } catch (error) {
    options.log.of(route.fn.name)("error", "system", `failed: ${errorStack(error)}`);
    response.writeHead(500).end();
  }
}

/** Reads the address of a request. Undefined if Host or path can't be understood. */
function urlOf({ url = "/", headers }: IncomingMessage): URL | undefined {
  try {
    const found = new URL(url, `http://${headers.host ?? LOOPBACK}`);
    decodeURIComponent(found.pathname);
    return found.username === "" && found.password === "" ? found : undefined;
  } catch {
    return undefined;
  }
}

function decoded(groups: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(groups).map(([name, value = ""]) => [name, decodeURIComponent(value)]));
}

function isAllowed(
  fn: RegisteredFunction,
  request: IncomingMessage,
  url: URL,
  functionKey: string | undefined,
): boolean {
  if (fn.trigger.binding["authLevel"] === "anonymous") return true;
  const given = request.headers["x-functions-key"] ?? url.searchParams.get("code");
  if (functionKey === undefined || typeof given !== "string") return false;
  return timingSafeEqual(digest(given), digest(functionKey));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Reads a body. Undefined if it is too large. */
async function bodyOf(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  // Its connection has to stay for the answer.
  for await (const part of request.iterator({ destroyOnReturn: false })) {
    const chunk = Buffer.from(part);
    size += chunk.length;
    if (size > MOST_BODY_BYTES) return undefined;
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

function send(response: ServerResponse, http: RpcHttp | undefined): void {
  response.writeHead(Number(http?.statusCode ?? (http ? 200 : 204)), { ...http?.headers });
  response.end(payload(http?.body));
}

function payload(body: Rpc | null | undefined): Uint8Array | string {
  return body?.bytes ?? body?.string ?? body?.json ?? "";
}
