import { type IncomingHttpHeaders, type OutgoingHttpHeaders, STATUS_CODES } from "node:http";
import { buffer } from "node:stream/consumers";
import { type Exchange, startHttpProxy } from "../../local/kit/http-proxy.ts";
import type { Listening } from "../../local/kit/listen.ts";
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

/** How long a Dispatcher's connection may rest: its own clients close it first, so that no request meets a connection that is being closed. */
const IDLE_MS = 60_000;

/** Stands between one Dispatcher and one HTTP server, and does to each request what the director says. */
export function startFaultProxy(options: FaultProxyOptions): Promise<Listening> {
  const { target, tls, gate } = options;
  return startHttpProxy(
    {
      target,
      idleMs: IDLE_MS,
      onConnection: (socket) => gate.admit(socket),
      ...(tls === undefined ? {} : { ca: tls.ca, certificate: tls }),
    },
    (exchange) => serve(options, exchange),
  );
}

async function serve(options: FaultProxyOptions, { method, url, response, ...exchange }: Exchange): Promise<void> {
  const call: HttpCall = { method, url, body: (await exchange.body()).toString("utf8") };
  const edges = options.edgesOf(call);
  const carryOut = async (): Promise<HttpAnswer> => {
    const answer = await exchange.ask();
    return { status: answer.statusCode ?? 502, headers: answer.headers, body: await buffer(answer) };
  };
  const answer = options.gate.refuses()
    ? refusal(options.server, 503, edges, call)
    : options.isStrangers?.(call) === true
      ? await carryOut()
      : await options.director().conduct<HttpAnswer>({
          slot: options.slot,
          edges,
          asked: `${options.server}: ${method} ${url.split("?")[0]}`,
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
