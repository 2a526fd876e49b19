import { once } from "node:events";
import type { Receiver, Sender } from "rhea";
import rhea from "rhea";
import { receiveRaw } from "../../local/broker/amqp.ts";
import { parseEntities } from "../../local/broker/entities.ts";
import { Namespace } from "../../local/broker/namespace.ts";
import { keysWith } from "../../local/broker/sas-token.ts";
import { LinkServer } from "../../local/broker/serve-connections.ts";

export interface BareBroker {
  readonly port: number;
  readonly connectionString: string;
  close(): void;
}

/**
 * A broker that accepts the tokens that the local broker accepts, and leaves every other link to the test. The test is
 * given the broker's end of a link when the client has opened its own.
 */
export async function startBareBroker(links: {
  readonly onSender: (sender: Sender) => void;
  readonly onReceiver: (receiver: Receiver) => void;
}): Promise<BareBroker> {
  const container = rhea.create_container({ id: "bare-broker" });
  const tokens = new LinkServer(new Namespace(parseEntities({ queues: [{ name: "q" }], topics: [] }), Date.now), {
    keys: keysWith("local"),
    now: Date.now,
  });
  container.on("session_open", receiveRaw);
  container.on("sender_open", ({ connection, sender }) => {
    if (sender?.source?.address === "$cbs") tokens.openSender(connection, sender);
    else if (sender) links.onSender(sender);
  });
  container.on("receiver_open", ({ connection, receiver }) => {
    if (receiver?.target?.address === "$cbs") tokens.openReceiver(connection, receiver);
    else if (receiver) links.onReceiver(receiver);
  });
  for (const event of ["disconnected", "error", "sender_error", "receiver_error", "connection_error"])
    container.on(event, () => {});
  const server = container.listen({
    host: "127.0.0.1",
    port: 0,
    transport: "tcp",
    receiver_options: { autoaccept: false },
  });
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return {
    port: address.port,
    connectionString: `Endpoint=sb://127.0.0.1:${address.port};SharedAccessKeyName=local;SharedAccessKey=local;UseDevelopmentEmulator=true;`,
    close: () => void server.close(),
  };
}
