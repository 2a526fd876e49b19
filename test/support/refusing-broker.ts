import { once } from "node:events";
import rhea from "rhea";
import { receiveRaw } from "../../local/broker/amqp.ts";
import { parseEntities } from "../../local/broker/entities.ts";
import { Namespace } from "../../local/broker/namespace.ts";
import { keysWith } from "../../local/broker/sas-token.ts";
import { LinkServer } from "../../local/broker/serve-connections.ts";

/**
 * A broker that accepts the tokens that the local broker accepts, and then refuses every entity, as the service does if
 * a role or a right is missing.
 */
export async function startRefusingBroker(): Promise<{ port: number; close(): void }> {
  const container = rhea.create_container({ id: "refusing-broker" });
  const links = new LinkServer(new Namespace(parseEntities({ queues: [{ name: "q" }], topics: [] }), Date.now), {
    keys: keysWith("local"),
    now: Date.now,
  });
  const refusal = {
    condition: "amqp:unauthorized-access",
    description: "Unauthorized access. 'Listen' or 'Send' claim(s) are required to perform this operation.",
  };
  container.on("session_open", receiveRaw);
  container.on("sender_open", ({ connection, sender }) => {
    if (sender?.source?.address === "$cbs") links.openSender(connection, sender);
    else sender?.close(refusal);
  });
  container.on("receiver_open", ({ connection, receiver }) => {
    if (receiver?.target?.address === "$cbs") links.openReceiver(connection, receiver);
    else receiver?.close(refusal);
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
  return { port: address.port, close: () => void server.close() };
}
