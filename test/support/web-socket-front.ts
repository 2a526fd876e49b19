import { createServer } from "node:https";
import { connect } from "node:net";
import { generate } from "selfsigned";
import { createWebSocketStream, WebSocketServer } from "ws";
import { type Listening, listen } from "../../local/kit/listen.ts";

export interface WebSocketFront extends Listening {
  /** How many WebSockets it accepted. */
  readonly accepted: () => number;
}

/**
 * Stands before a broker on loopback as the service's own front does on port 443. It speaks TLS, with a certificate that
 * no authority signed, takes WebSockets for AMQP at the service's path, and passes on what is in them.
 */
export async function startWebSocketFront(brokerPort: number): Promise<WebSocketFront> {
  const { private: key, cert } = await generate([{ name: "commonName", value: "localhost" }], { algorithm: "sha256" });
  const server = createServer({ key, cert });
  const sockets = new WebSocketServer({
    server,
    path: "/$servicebus/websocket",
    handleProtocols: (offered) => (offered.has("AMQPWSB10") ? "AMQPWSB10" : false),
  });
  let accepted = 0;
  sockets.on("connection", (socket) => {
    accepted += 1;
    const client = createWebSocketStream(socket);
    const broker = connect(brokerPort, "127.0.0.1");
    client.on("error", () => broker.destroy());
    broker.on("error", () => socket.terminate());
    broker.on("close", () => socket.terminate());
    client.pipe(broker).pipe(client);
  });
  return { ...(await listen(server)), accepted: () => accepted };
}
