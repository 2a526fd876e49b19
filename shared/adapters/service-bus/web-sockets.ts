import { type Agent, createHttpHeaders, createPipelineRequest, proxyPolicy } from "@azure/core-rest-pipeline";
import type { ServiceBusClientOptions } from "@azure/service-bus";
import { WebSocket } from "ws";

/**
 * Makes the SDK's client speak AMQP within a WebSocket, on port 443 instead of 5671, for networks that let nothing out
 * but HTTPS. If the environment names a proxy for `host`, the connection goes through it.
 */
export function overWebSockets(host: string): Pick<ServiceBusClientOptions, "webSocketOptions"> {
  const agent = proxyAgent(host);
  return {
    webSocketOptions: {
      webSocket: WebSocket,
      ...(agent === undefined ? {} : { webSocketConstructorOptions: { agent } }),
    },
  };
}

/** Finds the host's name in a connection string of the bus. It is empty if there is none. */
export function hostIn(connectionString: string): string {
  return /Endpoint=sb:\/\/([^/;:]+)/i.exec(connectionString)?.[1] ?? "";
}

/**
 * Finds the agent that goes through the proxy. Undefined if HTTPS_PROXY names none, or NO_PROXY excepts this host. The
 * SDK's own policy decides, so that both variables mean the same for AMQP as for tables, blobs and tokens.
 */
function proxyAgent(host: string): Agent | undefined {
  const request = createPipelineRequest({ url: `https://${host}` });
  // The policy sets the request's agent, then sends the request by this function, which sends nothing.
  void proxyPolicy().sendRequest(request, async () => ({ request, status: 200, headers: createHttpHeaders() }));
  return request.agent;
}
