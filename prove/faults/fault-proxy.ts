import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import { createServer as createSecureServer, request as httpsRequest, Agent as SecureAgent } from "node:https";
import { buffer } from "node:stream/consumers";
import type { Call, Conductor } from "./director.ts";
import type { Edge, ServerName } from "./edges.ts";
import type { Gate } from "./gate.ts";
import { type HttpCall, isTransaction } from "./http-edge.ts";

type Edges = Call<unknown>["edges"];

interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders | OutgoingHttpHeaders;
  readonly body: Buffer;
}

export interface FaultProxyOptions {
  readonly slot: number;
  readonly server: ServerName;
  /** `http://127.0.0.1:1234`, where the server itself listens. */
  readonly target: string;
  /** Of a server with TLS: the certificate that the proxy shows, and the one that the server does. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca: string };
  readonly director: () => Conductor;
  readonly gate: Gate;
  edgesOf(call: HttpCall): Edges;
  /** Whether somebody else makes this call over the Dispatcher's way: nothing is done to it. */
  isStrangers?(call: HttpCall): boolean;
}

/** Between one Dispatcher and one HTTP server: each request goes the way that the director sends it. */
export async function startFaultProxy(
  options: FaultProxyOptions,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const agent = options.tls ? new SecureAgent({ keepAlive: true, ca: options.tls.ca }) : new Agent({ keepAlive: true });
  const listener = (incoming: IncomingMessage, response: ServerResponse) => {
    serve(options, agent, incoming, response).catch(() => response.destroy());
  };
  const server = options.tls ? createSecureServer({ ...options.tls }, listener) : createServer(listener);
  server.keepAliveTimeout = 60_000;
  server.on("connection", (socket) => options.gate.admit(socket));
  // What a killed process leaves behind is no news.
  server.on("clientError", (_error, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        agent.destroy();
      }),
  };
}

async function serve(
  options: FaultProxyOptions,
  agent: Agent,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.on("error", () => {});
  const body = await buffer(incoming);
  const call: HttpCall = { method: incoming.method ?? "GET", url: incoming.url ?? "/", body: body.toString("utf8") };
  const edges = options.edgesOf(call);
  const carryOut = () => forward(options.target, agent, incoming, body);
  const answer = options.gate.refuses()
    ? refusal(options.server, 503, edges, call)
    : options.isStrangers?.(call) === true
      ? await carryOut()
      : await options.director().conduct<HttpAnswer>({
          slot: options.slot,
          edges,
          asked: `${options.server}: ${call.method} ${call.url.split("?")[0]}`,
          carryOut,
          refusal: (status) => refusal(options.server, status, edges, call),
          worked: (given) => worked(call, edges, given),
        });
  if (answer === "silence") return;
  if (answer === "cut" || options.gate.isClosed) {
    response.destroy();
    return;
  }
  const { "transfer-encoding": _, ...headers } = answer.headers;
  response.writeHead(answer.status, { ...headers, "content-length": answer.body.byteLength }).end(answer.body);
}

function forward(target: string, agent: Agent, incoming: IncomingMessage, body: Buffer): Promise<HttpAnswer> {
  const send = target.startsWith("https:") ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const { method = "GET", url = "/", headers } = incoming;
    const outgoing = send(target + url, { method, headers, agent }, (answer) => {
      buffer(answer).then(
        (content) => resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: content }),
        reject,
      );
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

/** Edges where "it is there already" is as good as having made it. */
const MAKING: ReadonlySet<Edge> = new Set<Edge>(["make the table", "register a source", "make a container"]);

function worked(call: HttpCall, edges: Edges, { status, body }: HttpAnswer): boolean {
  // Its own status is that of having been read.
  if (isTransaction(call)) return status < 400 && !/^HTTP\/1\.1 [45]/m.test(String(body));
  const among = (those: ReadonlySet<Edge>) => edges.some((edge) => those.has(edge));
  return status < 400 || (status === 404 && among(READS)) || (status === 409 && among(MAKING));
}

/** Edges where "there is none" is an answer like any other. */
const READS: ReadonlySet<Edge> = new Set<Edge>([
  "find a run",
  "read the owner",
  "read the sweep's cursor",
  "read a job",
  "delete a body",
]);

/** A refusal in the server's own words, as far as the app listens to them. */
function refusal(server: ServerName, status: number, edges: Edges, call: HttpCall): HttpAnswer {
  const later = status === 429 || status === 503 ? { "retry-after": "1" } : {};
  const headers = { "content-type": "application/json", ...later };
  if (server === "cluster") return { status, headers, body: json(clusterStatus(status, edges, call)) };
  const error = { "odata.error": { code: STORAGE_CODES[status] ?? "", message: { lang: "en-US", value: "injected" } } };
  const ofOneRow = status === 409 || status === 412;
  return ofOneRow && isTransaction(call) ? refusedStep(status, json(error)) : { status, headers, body: json(error) };
}

/** Whoever refuses may quote what it was asked for: here it is the URL of a body, where the request holds one. */
function clusterStatus(code: number, edges: Edges, { body }: HttpCall): object {
  const alreadyThere = edges.includes("create a job") && code === 409;
  return {
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    code,
    reason: alreadyThere ? "AlreadyExists" : (CLUSTER_REASONS[code] ?? ""),
    message: ["injected by the proof", ...(/https?:[^"]+[?&]sig=[^"]+/.exec(body) ?? [])].join(": "),
  };
}

/** What the table service says of a transaction that one row made fail: it has been read, and that row's answer is the only one in it. */
function refusedStep(status: number, error: Buffer): HttpAnswer {
  const lines = [
    "--batchresponse_injected",
    "Content-Type: multipart/mixed; boundary=changesetresponse_injected",
    "",
    "--changesetresponse_injected",
    "Content-Type: application/http",
    "Content-Transfer-Encoding: binary",
    "",
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "Content-Type: application/json;odata=minimalmetadata;streaming=true;charset=utf-8",
    "",
    String(error),
    "--changesetresponse_injected--",
    "--batchresponse_injected--",
    "",
  ];
  return {
    status: 202,
    headers: { "content-type": "multipart/mixed; boundary=batchresponse_injected" },
    body: Buffer.from(lines.join("\r\n")),
  };
}

const json = (value: object): Buffer => Buffer.from(JSON.stringify(value));

const CLUSTER_REASONS: Readonly<Record<number, string>> = {
  409: "Conflict",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
};

const STORAGE_CODES: Readonly<Record<number, string>> = {
  409: "EntityAlreadyExists",
  412: "UpdateConditionNotSatisfied",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServerBusy",
};
