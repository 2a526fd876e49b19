import { makeCertificate } from "../local/cluster/certificate.ts";
import type { ClusterAccess } from "../local/kit/cluster-access.ts";
import { type HttpProxyOptions, startHttpProxy } from "../local/kit/http-proxy.ts";
import { startTcpProxy } from "../local/kit/tcp-proxy.ts";

/** A proxy that passes everything on to a server, and counts the requests. */
export interface CountingProxy {
  readonly port: number;
  count(): number;
  close(): Promise<void>;
}

/** Starts a counting proxy before a server of plain HTTP on 127.0.0.1. */
export function countHttp(targetPort: number): Promise<CountingProxy> {
  return countExchanges({ target: `http://127.0.0.1:${targetPort}` });
}

/**
 * Starts a counting proxy before the stub cluster. `access` leads through the proxy, which has a certificate of its
 * own.
 */
export async function countCluster(access: ClusterAccess): Promise<CountingProxy & { readonly access: ClusterAccess }> {
  const certificate = await makeCertificate();
  const proxy = await countExchanges({ target: access.server, ca: access.ca, certificate });
  return { ...proxy, access: { ...access, server: `https://127.0.0.1:${proxy.port}`, ca: certificate.cert } };
}

/**
 * Starts a counting proxy before the bus. It counts the transfers of the client: each request over `$management` or
 * `$cbs` is one, and so is each message that the client sends. It does not count what the bus delivers.
 */
export async function countBus(targetPort: number): Promise<CountingProxy> {
  let transfers = 0;
  const proxy = await startTcpProxy({
    to: targetPort,
    // Whoever listens to a socket before it is piped takes its first bytes away.
    onConnected(client) {
      const frames = new Frames(() => {
        transfers += 1;
      });
      client.on("data", (bytes) => frames.read(bytes));
    },
  });
  return { ...proxy, count: () => transfers };
}

async function countExchanges(options: HttpProxyOptions): Promise<CountingProxy> {
  let requests = 0;
  const proxy = await startHttpProxy(options, async (exchange) => {
    requests += 1;
    await exchange.pass(await exchange.ask());
  });
  return { ...proxy, count: () => requests };
}

const TRANSFER = 0x14;

/** Cuts one direction of an AMQP connection into frames, and reports each transfer. */
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

  /**
   * Reports the frame if it is a transfer. A frame has its size, the offset of its body in words, its type and its
   * channel. The body begins with 0x00, 0x53 and the code of what it is.
   */
  #look(frame: Buffer): void {
    const body = (frame[4] ?? 2) * 4;
    const isAmqp = frame[5] === 0;
    if (isAmqp && frame[body] === 0x00 && frame[body + 1] === 0x53 && frame[body + 2] === TRANSFER) this.#onTransfer();
  }
}
