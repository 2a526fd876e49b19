import { connect, createServer, type Socket } from "node:net";
import { type Listening, listen } from "./listen.ts";

export interface TcpProxyOptions {
  /** The port of loopback where the server itself listens. */
  readonly to: number;
  /** The address where the proxy listens. By default it is loopback. */
  readonly address?: string;
  /** The port where the proxy listens. By default it takes a free one. */
  readonly port?: number;
  /**
   * Called with each connection before anything is passed on. If it destroys `client`, the proxy does not connect to
   * the server.
   */
  readonly onClient?: (client: Socket) => void;
  /** Called when the server is connected, and each socket piped into the other, before the first byte passes. */
  readonly onConnected?: (client: Socket, server: Socket) => void;
}

/** Stands between clients and a server on loopback, and passes on all bytes in both directions, until it is closed. */
export function startTcpProxy(options: TcpProxyOptions): Promise<Listening> {
  // Half-open connections are allowed, because a client that has sent everything may still wait for the answer.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    options.onClient?.(client);
    if (client.destroyed) return;
    const outgoing = connect({ port: options.to, host: "127.0.0.1", allowHalfOpen: true });
    outgoing.once("connect", () => {
      client.pipe(outgoing).pipe(client);
      options.onConnected?.(client, outgoing);
    });
    for (const [socket, other] of [
      [client, outgoing],
      [outgoing, client],
    ] as const) {
      socket.on("error", () => other.destroy());
      // The last bytes of a socket that ended properly may still be on their way to the other one, which `pipe` then
      // ends.
      socket.on("close", () => {
        if (!socket.readableEnded) other.destroy();
      });
    }
  });
  return listen(server, options);
}
