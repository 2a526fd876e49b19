import type { Server, Socket } from "node:net";

/** A server that listens. */
export interface Listening {
  readonly port: number;
  /** Breaks every connection, and resolves once the port is free again. */
  readonly close: () => Promise<void>;
}

/** Makes a server listen at `address`, on a free port unless the caller names one. Rejects when the port is taken. */
export async function listen(
  server: Server,
  { address = "127.0.0.1", port = 0 }: { readonly address?: string; readonly port?: number } = {},
): Promise<Listening> {
  const sockets = new Set<Socket>();
  // The event comes with the bare socket, before TLS, so a socket that never ends its handshake is broken at the end
  // too.
  server.on("connection", (socket) => sockets.add(socket.once("close", () => sockets.delete(socket))));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, address, resolve);
  });
  const found = server.address();
  return {
    port: typeof found === "object" ? (found?.port ?? 0) : 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
