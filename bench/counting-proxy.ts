import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createSecureServer, request as httpsRequest } from "node:https";
import { connect, createServer as createTcpServer, type Server } from "node:net";
import { makeCertificate } from "../local/cluster/certificate.ts";
import type { ClusterAccess } from "./cluster-access.ts";

/** Stands before a server, passes everything on, and counts the requests. */
export interface CountingProxy {
  readonly port: number;
  count(): number;
  close(): Promise<void>;
}

/** Before a server of plain HTTP on 127.0.0.1. */
export async function countHttp(targetPort: number): Promise<CountingProxy> {
  const counted = passOn((incoming) =>
    httpRequest({ host: "127.0.0.1", port: targetPort, ...headOf(incoming), agent: undefined }),
  );
  return proxyOf(createServer(counted.listener), counted.count);
}

/** Before the stub cluster. Resolves to the way to it through the proxy, too: the proxy has a certificate of its own. */
export async function countCluster(access: ClusterAccess): Promise<CountingProxy & { readonly access: ClusterAccess }> {
  const certificate = await makeCertificate();
  const counted = passOn((incoming) => httpsRequest(access.server, { ...headOf(incoming), ca: access.ca }));
  const proxy = await proxyOf(createSecureServer({ ...certificate }, counted.listener), counted.count);
  return { ...proxy, access: { ...access, server: `https://127.0.0.1:${proxy.port}`, ca: certificate.cert } };
}

/**
 * Before the bus. A request over `$management` or `$cbs` is one transfer from the client, and so is a message that it sends; what the bus
 * delivers is not counted.
 */
export async function countBus(targetPort: number): Promise<CountingProxy> {
  let transfers = 0;
  const server = createTcpServer((client) => {
    const bus = connect(targetPort, "127.0.0.1");
    const frames = new Frames(() => {
      transfers += 1;
    });
    client.on("data", (bytes) => frames.read(bytes));
    client.pipe(bus).pipe(client);
    client.on("error", () => bus.destroy()).on("close", () => bus.destroy());
    bus.on("error", () => client.destroy()).on("close", () => client.destroy());
  });
  return proxyOf(server, () => transfers);
}

function headOf({ method, url, headers }: IncomingMessage) {
  return { method: method ?? "GET", path: url ?? "/", headers };
}

function passOn(open: (incoming: IncomingMessage) => ReturnType<typeof httpRequest>) {
  let requests = 0;
  const listener: RequestListener = (incoming, response) => {
    requests += 1;
    const outgoing = open(incoming);
    outgoing.on("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on("error", () => response.destroy());
    incoming.pipe(outgoing);
  };
  return { listener, count: () => requests };
}

async function proxyOf(server: Server, count: () => number): Promise<CountingProxy> {
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    count,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

const TRANSFER = 0x14;

/** Cuts one direction of an AMQP connection into its frames, and tells of each transfer. */
class Frames {
  readonly #onTransfer: () => void;
  #rest = Buffer.alloc(0);

  constructor(onTransfer: () => void) {
    this.#onTransfer = onTransfer;
  }

  read(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 8) {
      const isHeader = this.#rest.toString("latin1", 0, 4) === "AMQP";
      const size = isHeader ? 8 : this.#rest.readUInt32BE(0);
      if (this.#rest.length < size) return;
      if (!isHeader) this.#look(this.#rest.subarray(0, size));
      this.#rest = this.#rest.subarray(size);
    }
  }

  /** Size, offset of the body in words, type, channel; then 0x00, 0x53 and the code of what it is. */
  #look(frame: Buffer): void {
    const body = (frame[4] ?? 2) * 4;
    const isAmqp = frame[5] === 0;
    if (isAmqp && frame[body] === 0x00 && frame[body + 1] === 0x53 && frame[body + 2] === TRANSFER) this.#onTransfer();
  }
}
