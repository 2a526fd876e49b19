import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { API, type ApiAnswer, type ApiRequest, answer, problemAnswer } from "../../shared/api/answer.ts";
import type { Caller } from "../../shared/api/caller.ts";
import { ProblemError, problem } from "../../shared/api/problem.ts";
import type { Room } from "../../shared/api/route.ts";
import type { Log } from "../../shared/log.ts";
import type { PageFile } from "./page-files.ts";

/** Where the page is. Everything below it is a view of the page. */
export const PAGE = "/api/ui/";
const LOOPBACK = "127.0.0.1";
/** The largest action is a list of a thousand ids. */
const MOST_BODY_BYTES = 2 * 1024 * 1024;
const OUR_MISTAKE = problem("our-mistake", "The page's server could not answer this. See what it prints.");

/**
 * What the browser lets the page do: load its own files and ask its own server, and nothing else. So text that was taken
 * for a script would not run, and could send nothing away.
 */
const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "cache-control": "no-cache",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** What the server of the page serves. */
export interface Serving {
  /** Gives the Dispatcher as it is now. */
  readonly room: () => Promise<Room>;
  readonly caller: Omit<Caller, "hasToken">;
  /** What each request to the API has to carry. */
  readonly token: string;
  readonly page: ReadonlyMap<string, PageFile>;
  readonly log: Log;
  /** 0 takes a free port. */
  readonly port: number;
}

/**
 * Serves page and API to this machine alone. A request is refused unless its Host is this server's own, because a site
 * whose name is made to mean this machine could else read what it answers; and so is one to the API without the token.
 * Rejects with the server's error, such as EADDRINUSE.
 */
export async function serve(serving: Serving): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((request, response) => {
    respond(serving, request)
      .catch((error: unknown) => {
        serving.log.error("could not answer a request", { error: error instanceof Error ? error.message : "" });
        return problemAnswer(OUR_MISTAKE);
      })
      .then((answered) => send(response, request, answered))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(serving.port, LOOPBACK, resolve);
  });
  return { port: portOf(server), server };
}

type Answered = Omit<ApiAnswer, "body"> & { readonly body?: string | Buffer };

async function respond(serving: Serving, request: IncomingMessage): Promise<Answered> {
  const { method = "GET" } = request;
  const own = ownHosts(request.socket.localPort ?? 0);
  const { host = "", origin } = request.headers;
  if (!own.includes(host.toLowerCase()))
    return problemAnswer(problem("wrong-host", `This server answers to ${own[0] ?? ""} alone.`));
  if (origin !== undefined && !own.some((name) => origin.toLowerCase() === `http://${name}`))
    return problemAnswer(problem("other-site", "Another site may not ask this."));
  const url = urlOf(request);
  if (url === undefined) return problemAnswer(problem("wrong-input", "The address can't be understood."));
  if (url.path === API || url.path.startsWith(`${API}/`)) return respondFromApi(serving, request, url);
  if (method !== "GET" && method !== "HEAD")
    return problemAnswer(problem("wrong-method", "Use GET."), { allow: "GET" });
  return respondFromPage(serving, url.path);
}

/** The names of this server, as a browser writes them. */
function ownHosts(port: number): string[] {
  return [`${LOOPBACK}:${port}`, `localhost:${port}`];
}

interface Address {
  /** Still encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Reads the address of a request; undefined if it has none of this server's. */
function urlOf({ url = "" }: IncomingMessage): Address | undefined {
  if (!url.startsWith("/")) return undefined;
  const end = url.search(/[?#]/);
  const query = end < 0 || url[end] === "#" ? "" : (url.slice(end + 1).split("#")[0] ?? "");
  return { path: end < 0 ? url : url.slice(0, end), query: new URLSearchParams(query) };
}

async function respondFromApi(serving: Serving, request: IncomingMessage, { path, query }: Address): Promise<Answered> {
  const { token, caller, room, log } = serving;
  const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "";
  if (!isSame(given, token))
    return problemAnswer(
      problem("no-token", "Send the token that `dispatcher ui` printed, as authorization: Bearer TOKEN."),
      { "www-authenticate": "Bearer" },
    );
  const asked: ApiRequest = {
    method: request.method ?? "GET",
    path: path.slice(API.length),
    query,
    header(name) {
      const value = request.headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    },
    body: () => bodyOf(request),
  };
  return answer(await room(), { ...caller, hasToken: true }, asked, log);
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
    if (bytes > MOST_BODY_BYTES) throw new ProblemError("too-large", `Send ${MOST_BODY_BYTES} bytes at most.`);
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** Every address below the page is one of its views, so that it can be opened and kept. */
function respondFromPage({ page }: Serving, path: string): Answered {
  if (path === "/" || path === PAGE.slice(0, -1)) return { status: 302, headers: { ...PAGE_HEADERS, location: PAGE } };
  if (!path.startsWith(PAGE)) return problemAnswer(problem("not-found", `The page is at ${PAGE}.`));
  const file = page.get(path.slice(PAGE.length)) ?? page.get("index.html");
  if (!file) throw new Error("the page has no index.html");
  return { status: 200, headers: { ...PAGE_HEADERS, "content-type": file.type }, body: file.content };
}

function send(response: ServerResponse, { method }: IncomingMessage, { status, headers, body }: Answered): void {
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
