import { connect, createServer, type Socket } from "node:net";

/** Passes on what arrives at a port of `address`, a free one unless told which, to a port of loopback, until closed. Resolves to that port. */
export async function forwardPort(
  address: string,
  to: number,
  from = 0,
): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  // Half open: whoever has said all that it has to say may still wait for the answer.
  const server = createServer({ allowHalfOpen: true }, (incoming) => {
    const outgoing = connect({ port: to, host: "127.0.0.1", allowHalfOpen: true });
    for (const [socket, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(socket);
      socket.pipe(other);
      socket.on("error", () => other.destroy()).on("close", () => sockets.delete(socket));
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(from, address, resolve);
  });
  const found = server.address();
  return {
    port: typeof found === "object" ? (found?.port ?? 0) : 0,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
