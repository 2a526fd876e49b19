import { DefaultAzureCredential, type TokenCredential } from "@azure/identity";
import { ServiceBusClient } from "@azure/service-bus";
import { grantSending, LIST_NAMESPACES, listEntities, SENDER } from "../../shared/adapters/azure/remedy.ts";
import {
  isAccessRefused,
  isEntityMissing,
  proxyTrouble,
  unknownHost,
} from "../../shared/adapters/service-bus/errors.ts";
import { overWebSockets } from "../../shared/adapters/service-bus/web-sockets.ts";
import { errorText } from "../../shared/errors.ts";

const TIMEOUT_MS = 20_000;

/**
 * Opens a namespace of Azure with the identity of whoever is logged in. It goes over WebSockets, because many networks
 * let a desk reach port 443 alone.
 */
export function openNamespace(
  host: string,
  credential: TokenCredential = new DefaultAzureCredential(),
): ServiceBusClient {
  const retryOptions = { maxRetries: 1, retryDelayInMs: 500, timeoutInMs: TIMEOUT_MS };
  return new ServiceBusClient(host, credential, { retryOptions, ...overWebSockets(host) });
}

/** Says why a message could not be sent to a namespace of Azure, and what to do. */
export function whyNotSent(error: unknown, host: string, entity: string): string {
  if (isAccessRefused(error))
    return `You may not send to ${entity} in ${host}. You need the role "${SENDER}" there. Have yourself or your group written into senderPrincipalIds of the deployment's parameter file, or run: ${grantSending(host)}\nA new role takes some minutes to take effect.`;
  if (isEntityMissing(error)) {
    const list = listEntities(host);
    return `${host} has no queue or topic ${entity}. Send to one that exists${list === undefined ? "" : `; list them with: ${list}`}`;
  }
  const trouble = proxyTrouble(error, host);
  if (trouble !== undefined) return capitalized(trouble);
  if (unknownHost(error) !== undefined)
    return `${host} does not resolve in DNS. Give --bus the host name of an existing namespace; list them with: ${LIST_NAMESPACES}`;
  if (hasNoToken(error)) return `Nobody is logged in to Azure here. Run: az login\n${errorText(error)}`;
  return `${host} can't be reached (${errorText(error)}). Look whether this machine may connect to its port 443, directly or through the proxy in HTTPS_PROXY.`;
}

function hasNoToken(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(hasNoToken);
  return error instanceof Error && /Credential|Authentication/.test(error.name);
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
