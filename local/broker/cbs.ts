import { type BrokerError, entityNotFound, unauthorized } from "./broker-error.ts";
import type { Namespace } from "./namespace.ts";
import type { Reply, Request } from "./reply-link.ts";
import { type Keys, tokenProblem } from "./sas-token.ts";

/** The type of an identity's token. Only the authority that signed it can tell whether it is right. */
const IDENTITY_TOKEN = "jwt";

/** Which tokens are taken: those that a key signed, and every identity's token or none. */
interface Taken {
  readonly keys: Keys;
  readonly takesIdentities: boolean;
}

/**
 * Accepts a token that is taken for an entity that exists. Refuses a token that is signed wrongly, and one for an entity
 * that does not exist, as the service does here too.
 */
export function answerCbs(namespace: Namespace, taken: Taken, request: Request): Reply {
  const refusal = refusalOf(namespace, taken, request);
  if (refusal === undefined) return { statusCode: 202, statusDescription: "Accepted" };
  const { statusCode, message, condition } = refusal;
  return { statusCode, statusDescription: message, errorCondition: condition };
}

function refusalOf(namespace: Namespace, taken: Taken, { properties, body }: Request): BrokerError | undefined {
  const audience = String(properties["name"]);
  const address = audience.replace(/^[a-z]+:\/\/[^/]*\/*/i, "");
  if (properties["type"] !== IDENTITY_TOKEN || !taken.takesIdentities) {
    // A client signs by its own clock, which no test moves.
    const problem = tokenProblem(String(body), { path: `/${address}`, keys: taken.keys, nowMs: Date.now() });
    if (problem !== undefined) return unauthorized(problem);
  }
  return address === "" || namespace.has(address) ? undefined : entityNotFound(audience);
}
