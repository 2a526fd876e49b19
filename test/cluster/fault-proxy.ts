import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, request } from "node:https";
import type { Socket } from "node:net";
import { makeCertificate } from "../../local/cluster/certificate.ts";

/** A request that is on its way to the API server. */
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

/** What is done instead of passing the answer on. `ask` lets the request reach the server. */
export type Fault = (response: ServerResponse, ask: () => Promise<Answer>) => Promise<void> | void;

/** Stands between an app and its API server. */
export interface FaultProxy {
  /** How an app reaches the API server through it. */
  readonly access: { readonly server: string; readonly ca: string };
  /** Does this to each request that is meant, until `heal`. */
  fail(isMeant: (request: ProxiedRequest) => boolean, fault: Fault): { heal(): void; hits(): number };
  close(): Promise<void>;
}

/** Says something of its own, as proxies and overloaded servers do. */
export function says(status: number, type: string, body: string, headers: Record<string, string> = {}): Fault {
  return (response) => void response.writeHead(status, { "content-type": type, ...headers }).end(body);
}

/** Closes the connection without a word. */
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

/** `onAnswer` is told of each request whose answer is passed on as it is. */
export async function startFaultProxy(
  target: { readonly server: string; readonly ca: string },
  onAnswer: (request: ProxiedRequest, answer: { readonly status: number; readonly bytes: number }) => void = () => {},
): Promise<FaultProxy> {
  const certificate = await makeCertificate();
  const faults = new Set<{ isMeant: (request: ProxiedRequest) => boolean; fault: Fault; hits: number }>();

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", url: path = "/", headers } = incoming;
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
    const body = Buffer.concat(chunks);
    const ask = () => answerOf(target, { method, path, headers: { ...headers, "accept-encoding": "identity" }, body });
    const asked = { method, path, body: body.toString() };
    const failing = [...faults].find(({ isMeant }) => isMeant(asked));
    if (failing) {
      failing.hits += 1;
      await failing.fault(response, ask);
      return;
    }
    const answer = await ask();
    onAnswer(asked, { status: answer.status, bytes: answer.body.byteLength });
    response.writeHead(answer.status, answer.headers).end(answer.body);
  }

  const sockets = new Set<Socket>();
  const server = createServer({ ...certificate }, (incoming, response) => {
    handle(incoming, response).catch(() => response.destroy());
  });
  server.on("connection", (socket: Socket) => sockets.add(socket.once("close", () => sockets.delete(socket))));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return {
    access: { server: `https://127.0.0.1:${port}`, ca: certificate.cert },
    fail(isMeant, fault) {
      const failing = { isMeant, fault, hits: 0 };
      faults.add(failing);
      return { heal: () => void faults.delete(failing), hits: () => failing.hits };
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function answerOf(
  { server, ca }: { readonly server: string; readonly ca: string },
  given: { method: string; path: string; headers: IncomingMessage["headers"]; body: Buffer },
): Promise<Answer> {
  const { method, path, headers, body } = given;
  return new Promise((resolve, reject) => {
    request(server + path, { method, headers, ca }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", reject);
      reply.on("end", () => {
        const { "transfer-encoding": _, connection: __, ...kept } = reply.headers;
        const named = Object.entries(kept).map(([name, value]) => [name, String(value)]);
        resolve({ status: reply.statusCode ?? 502, headers: Object.fromEntries(named), body: Buffer.concat(chunks) });
      });
    })
      .on("error", reject)
      .end(body);
  });
}
