/** The setting by which the Functions host chooses how AMQP reaches the bus. The app obeys it too. */
export const BUS_TRANSPORT = "AzureFunctionsJobHost__extensions__serviceBus__transportType";

/**
 * Whether AMQP goes within a WebSocket, on port 443, and not by itself, on port 5671. Undefined if the host does not
 * know this value. Case does not count, as in the host.
 */
export function isOverWebSockets(transport = "AmqpTcp"): boolean | undefined {
  const name = transport.toLowerCase();
  if (name !== "amqptcp" && name !== "amqpwebsockets") return undefined;
  return name === "amqpwebsockets";
}
