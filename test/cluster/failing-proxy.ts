import type { ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { makeCertificate } from "../../local/cluster/certificate.ts";
import { type Exchange, startHttpProxy } from "../../local/kit/http-proxy.ts";

/** A request on its way to the API server. */
export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Replaces the answer to a request. `ask` lets the request reach the server. */
export type Fault = (response: ServerResponse, ask: () => Promise<Answer>) => Promise<void> | void;

/** Stands between an app and its API server. */
export interface FailingProxy {
  /** How an app reaches the API server through it. */
  readonly access: { readonly server: string; readonly ca: string };
  /** Does this to each request for which `isMeant` is true, until `heal`. */
  fail(isMeant: (request: ProxiedRequest) => boolean, fault: Fault): { heal(): void; hits(): number };
  close(): Promise<void>;
}

/** Answers by itself, as proxies and overloaded servers do. */
export function says(status: number, type: string, body: string, headers: Record<string, string> = {}): Fault {
  return (response) => void response.writeHead(status, { "content-type": type, ...headers }).end(body);
}

/** Closes the connection without an answer. */
export const refuses: Fault = (response) => void response.destroy();

/** Lets the server do its work, and closes the connection in the middle of the answer. */
export const cutsOff: Fault = async (response, ask) => {
  const { status, headers, body } = await ask();
  response.writeHead(status, { ...headers, "content-length": String(body.byteLength) });
  response.write(body.subarray(0, body.byteLength / 2), () => response.destroy());
};

/** Lets the server do its work, and passes on half of the answer as if it were all. */
export const halves: Fault = async (response, ask) => {
  const { status, headers, body } = await ask();
  const half = body.subarray(0, body.byteLength / 2);
  response.writeHead(status, { ...headers, "content-length": String(half.byteLength) }).end(half);
};

/** Starts the proxy. It calls `onAnswer` with each request whose answer it passes on unchanged. */
export async function startFailingProxy(
  target: { readonly server: string; readonly ca: string },
  onAnswer: (request: ProxiedRequest, answer: { readonly status: number; readonly bytes: number }) => void = () => {},
): Promise<FailingProxy> {
  const certificate = await makeCertificate();
  const faults = new Set<{ isMeant: (request: ProxiedRequest) => boolean; fault: Fault; hits: number }>();

  async function handle(exchange: Exchange): Promise<void> {
    const { method, url: path, response } = exchange;
    const asked = { method, path, body: (await exchange.body()).toString() };
    const failing = [...faults].find(({ isMeant }) => isMeant(asked));
    if (failing) {
      failing.hits += 1;
      await failing.fault(response, () => answerOf(exchange));
      return;
    }
    const answer = await answerOf(exchange);
    onAnswer(asked, { status: answer.status, bytes: answer.body.byteLength });
    response.writeHead(answer.status, answer.headers).end(answer.body);
  }

  const { port, close } = await startHttpProxy({ target: target.server, ca: target.ca, certificate }, handle);
  return {
    access: { server: `https://127.0.0.1:${port}`, ca: certificate.cert },
    fail(isMeant, fault) {
      const failing = { isMeant, fault, hits: 0 };
      faults.add(failing);
      return { heal: () => void faults.delete(failing), hits: () => failing.hits };
    },
    close,
  };
}

/** Reads the server's whole answer uncompressed, because a fault may cut it in two. */
async function answerOf(exchange: Exchange): Promise<Answer> {
  const reply = await exchange.ask({ "accept-encoding": "identity" });
  const { "transfer-encoding": _, connection: __, ...kept } = reply.headers;
  const named = Object.entries(kept).map(([name, value]) => [name, String(value)]);
  return { status: reply.statusCode ?? 502, headers: Object.fromEntries(named), body: await buffer(reply) };
}
