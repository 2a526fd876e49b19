import type { Server, Socket } from "node:net";

/** The first byte of a TLS connection. AMQP's first byte is an A. */
const TLS_HANDSHAKE = 0x16;

/**
 * Makes a listening AMQP server pass connections that begin with TLS on to `https`, which listens nowhere itself. The
 * service has both under one name, and a connection string has one port.
 */
export function sharePort(amqp: Server, https: Server): void {
  const serveAmqp = amqp.listeners("connection");
  amqp.removeAllListeners("connection");
  amqp.on("connection", (socket: Socket) => {
    socket.once("error", () => socket.destroy());
    // The client speaks first, in both protocols.
    socket.once("readable", () => {
      const first: unknown = socket.read(1);
      if (!Buffer.isBuffer(first)) return;
      socket.unshift(first);
      if (first[0] === TLS_HANDSHAKE) https.emit("connection", socket);
      else for (const serve of serveAmqp) serve.call(amqp, socket);
    });
  });
}
