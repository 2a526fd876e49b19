import { entityNotFound } from "./broker-error.ts";
import type { Namespace } from "./namespace.ts";
import type { Reply, Request } from "./reply-link.ts";

/**
 * Accepts any token for an entity that exists. Refuses one for an entity that does not exist, as the service does here
 * too.
 */
export function answerCbs(namespace: Namespace, request: Request): Reply {
  const audience = String(request.properties["name"]);
  const address = audience.replace(/^[a-z]+:\/\/[^/]*\/*/i, "");
  if (address === "" || namespace.has(address)) return { statusCode: 202, statusDescription: "Accepted" };
  const { statusCode, message, condition } = entityNotFound(audience);
  return { statusCode, statusDescription: message, errorCondition: condition };
}
