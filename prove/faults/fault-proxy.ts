import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import { buffer } from "node:stream/consumers";
import { type Exchange, startHttpProxy } from "../../local/kit/http-proxy.ts";
import type { Listening } from "../../local/kit/listen.ts";
import type { Call, CallHandler, NoAnswer } from "./call.ts";
import { type Edge, isWatch, type ServerName } from "./edges.ts";
import type { Gate } from "./gate.ts";
import { type HttpCall, isTransaction } from "./http-edge.ts";

type Edges = Call<unknown>["edges"];

interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders | OutgoingHttpHeaders;
  readonly body: Buffer;
}

export interface FaultProxyOptions {
  /** The replica that calls through this proxy, counted from 0. */
  readonly replica: number;
  readonly server: ServerName;
  /** The URL at which the server itself listens, such as `http://127.0.0.1:1234`. */
  readonly target: string;
  /** The proxy's own key and certificate, and the server's certificate, if the server uses TLS. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca: string };
  readonly handler: () => CallHandler;
  readonly gate: Gate;
  edgesOf(call: HttpCall): Edges;
  /** Tells whether a worker makes this call, over the URL that the replica gave it. Such a call gets no fault. */
  isFromWorker?(call: HttpCall): boolean;
}

/**
 * How long a replica's connection may stay unused. The replica's clients close it sooner, so that no request meets a
 * connection that the proxy is closing.
 */
const IDLE_MS = 60_000;

/** Starts a proxy between one replica and one HTTP server. The handler decides what becomes of each request. */
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
  /** The answer to a watch, which comes bit by bit for as long as the watch lasts. */
  let stream: IncomingMessage | undefined;
  const carryOut = async (): Promise<HttpAnswer> => {
    const answer = await exchange.ask();
    if (edges.some(isWatch) && answer.statusCode === 200) {
      stream = answer;
      response.once("close", () => answer.destroy());
      return { status: 200, headers: answer.headers, body: Buffer.alloc(0) };
    }
    return { status: answer.statusCode ?? 502, headers: answer.headers, body: await buffer(answer) };
  };
  const answer = options.gate.refuses()
    ? refusal(options.server, 503, edges, call)
    : options.isFromWorker?.(call) === true
      ? await carryOut()
      : await options.handler().handle<HttpAnswer>({
          replica: options.replica,
          edges,
          asked: `${options.server}: ${method} ${url.split("?")[0]}`,
          carryOut,
          refusal: (status) => refusal(options.server, status, edges, call),
          worked: (given) => worked(call, edges, given),
        });
  if (stream !== undefined) {
    await passStream(stream, options.gate.isClosed ? "cut" : answer, exchange.pass, response);
    return;
  }
  if (answer === "silence") return;
  // A connection of HTTP has no links.
  if (answer === "cut" || answer === "detach" || options.gate.isClosed) {
    response.destroy();
    return;
  }
  const { "transfer-encoding": _, ...headers } = answer.headers;
  response.writeHead(answer.status, { ...headers, "content-length": answer.body.byteLength }).end(answer.body);
}

/**
 * Passes a watch on as it comes. One that is to be cut is cut in the middle of its first event, and one that is to be
 * silent begins, and tells nothing.
 */
async function passStream(
  stream: IncomingMessage,
  answer: HttpAnswer | NoAnswer,
  pass: Exchange["pass"],
  response: ServerResponse,
): Promise<void> {
  if (answer === "silence") {
    response.writeHead(200, stream.headers).flushHeaders();
    stream.resume();
  } else if (answer === "cut") {
    response.writeHead(200, stream.headers);
    stream.once("end", () => response.destroy());
    stream.once("data", (event: Buffer) =>
      response.write(event.subarray(0, event.byteLength / 2), () => response.destroy()),
    );
  } else await pass(stream);
}

/** The edges on which "it is there already" counts as done. */
const MAKING: ReadonlySet<Edge> = new Set<Edge>(["make the table", "register a source", "make a container"]);

function worked(call: HttpCall, edges: Edges, { status, body }: HttpAnswer): boolean {
  // The status of a transaction only says that it was read. The answers to its rows are in the body.
  if (isTransaction(call)) return status < 400 && !/^HTTP\/1\.1 [45]/m.test(String(body));
  const among = (those: ReadonlySet<Edge>) => edges.some((edge) => those.has(edge));
  return status < 400 || (status === 404 && among(READS)) || (status === 409 && among(MAKING));
}

/** The edges on which "there is no such thing" counts as done. */
const READS: ReadonlySet<Edge> = new Set<Edge>([
  "find a run",
  "read the owner",
  "read the sweep's cursor",
  "read a job",
  "glance at a job",
  "delete a body",
]);

/** Makes a refusal in the server's own words, as far as the app reads them. */
function refusal(server: ServerName, status: number, edges: Edges, call: HttpCall): HttpAnswer {
  const later = status === 429 || status === 503 ? { "retry-after": "1" } : {};
  const headers = { "content-type": "application/json", ...later };
  if (server === "cluster") return { status, headers, body: json(clusterStatus(status, edges, call)) };
  const error = { "odata.error": { code: STORAGE_CODES[status] ?? "", message: { lang: "en-US", value: "injected" } } };
  const ofOneRow = status === 409 || status === 412;
  return ofOneRow && isTransaction(call) ? refusedStep(status, json(error)) : { status, headers, body: json(error) };
}

/**
 * Makes a refusal that quotes the URL of a body, if the request holds one. A real API server may quote requests too.
 */
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

/**
 * Makes the table service's answer to a transaction that failed at one row: status 202, and the answer of that row
 * alone.
 */
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
