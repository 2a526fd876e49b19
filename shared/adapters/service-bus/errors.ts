import { ConfigError, EntityMissingError, LockLostError, UnavailableError } from "../../errors.ts";
import type { Entity } from "../../ports/message-broker.ts";
import { type Source, sourceName } from "../../run/source.ts";
import { createSource, grantSource, LIST_NAMESPACES, ROLES } from "../azure/remedy.ts";

/** The call that failed, for the words of its error. */
export interface FailedCall {
  readonly source: Entity;
  /** What the call was to do, such as "defer" or "peek". */
  readonly operation: string;
}

/** The namespace of the sources, and whether we read them by identity or by key. */
export type BusPlace =
  | { readonly kind: "identity"; readonly host: string; readonly clientId?: string | undefined }
  | { readonly kind: "key"; readonly host: string };

/**
 * Names an entity in words, such as `queue "thumbnails"` or `the dead letter queue of subscription
 * "image-uploaded/thumbnail"`.
 */
export function describeEntity(entity: Entity): string {
  if ("deadLettersOf" in entity) return `the dead letter queue of ${describeSource(entity.deadLettersOf)}`;
  return describeSource(entity);
}

/** Names a source in words, such as `queue "thumbnails"` or `subscription "image-uploaded/thumbnail"`. */
export function describeSource(source: Source): string {
  return `${"queue" in source ? "queue" : "subscription"} "${sourceName(source)}"`;
}

interface SdkError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** Finds the last error, because after a retry the SDK throws an AggregateError of all attempts. */
function lastError(error: unknown): unknown {
  return error instanceof AggregateError && error.errors.length > 0 ? lastError(error.errors.at(-1)) : error;
}

function messageOf(thrown: unknown): string {
  const error = lastError(thrown);
  return error instanceof Error ? error.message : "";
}

function sdkError(thrown: unknown): SdkError | undefined {
  const error = lastError(thrown);
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return { code: error.code, message: error.message, retryable: "retryable" in error && error.retryable === true };
}

/** Whether the broker has no such message, or another receiver holds its lock. */
export function isMessageNotFound(error: unknown): boolean {
  return sdkError(error)?.code === "MessageNotFound";
}

/**
 * Whether the lock token is dead. The SDK gives a bare status 410 as a GeneralError that names
 * ReceiverDisconnectedError.
 */
export function isLockLost(error: unknown): boolean {
  const sdk = sdkError(error);
  if (sdk?.code === "MessageLockLost") return true;
  return sdk?.code === "GeneralError" && sdk.message.startsWith("ReceiverDisconnectedError");
}

/** Whether the broker understood the request and will never accept it, mostly because the properties are too large. */
export function isRefusal(error: unknown): boolean {
  const sdk = sdkError(error);
  if (sdk === undefined || sdk.retryable || isLockLost(error)) return false;
  return ["GeneralError", "MessageSizeExceeded", "QuotaExceeded"].includes(sdk.code);
}

/**
 * The service's words if an entity requires sessions. Only they tell, because their condition, `amqp:not-allowed`, has
 * other causes too. The word "session" alone tells nothing, because every connection has AMQP sessions, and they break.
 */
const SESSION_REQUIRED = "an entity that requires sessions to create a non-sessionful message receiver";

/** Whether the entity refuses receivers without a session. */
export function isSessionRequired(error: unknown): boolean {
  const sdk = sdkError(error);
  return sdk?.code === "GeneralError" && sdk.message.includes(SESSION_REQUIRED);
}

/** Whether the queue, topic or subscription does not exist. */
export function isEntityMissing(error: unknown): boolean {
  return sdkError(error)?.code === "MessagingEntityNotFound";
}

/** Says that a source does not exist, where, and by which command to create it. */
export function missingSource(source: Source, { host }: BusPlace): string {
  const command = createSource(host, source);
  const where = host === "" ? "" : ` in ${host}`;
  return `${describeSource(source)} does not exist${where}: create it${command === undefined ? "" : ` (${command})`}`;
}

/** Turns an error of the SDK into the one that the port promises. Programming errors come back as they are. */
export function translateError(thrown: unknown, call: FailedCall, place: BusPlace): unknown {
  const error = lastError(thrown);
  if (error instanceof ConfigError || error instanceof UnavailableError || error instanceof LockLostError) return error;
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) return error;
  const where = describeEntity(call.source);
  const source = "deadLettersOf" in call.source ? call.source.deadLettersOf : call.source;
  if (isLockLost(error)) {
    return new LockLostError(`${call.operation} on ${where}: the lock on the message is lost`, { cause: error });
  }
  if (isEntityMissing(error)) return new EntityMissingError(missingSource(source, place), { cause: error });
  const failed = `${call.operation} on ${where} failed`;
  return new UnavailableError(remedy(error, source, place) ?? failed, { cause: error });
}

/** Whether the identity or key may not do what the call asks for. */
export function isAccessRefused(error: unknown): boolean {
  return sdkError(error)?.code === "UnauthorizedAccess";
}

/** Finds the name that DNS does not know. Undefined if another error happened. */
export function unknownHost(error: unknown): string | undefined {
  return /ENOTFOUND (\S+)/.exec(messageOf(error))?.[1];
}

/**
 * Says what to do if the WebSocket to `host` is refused, or if the proxy on the way is not there. Undefined if another
 * error happened.
 */
export function proxyTrouble(error: unknown, host: string): string | undefined {
  const refusal = /^Unexpected server response: (\d+)$/.exec(messageOf(error))?.[1];
  if (refusal !== undefined)
    return `the WebSocket to ${host} was refused with status ${refusal}. If HTTPS_PROXY is set, let that proxy connect you with ${host}:443, or except the host in NO_PROXY. If the proxy asks for a password (407), write user and password into its URL`;
  const unknown = unknownHost(error);
  if (unknown !== undefined && unknown !== host.split(":")[0])
    return `the proxy ${unknown} does not resolve in DNS. Set HTTPS_PROXY to the URL of an existing one`;
  return undefined;
}

/** Says what is wrong and what a person has to do. Undefined if the failure may pass by itself. */
function remedy(error: unknown, source: Source, place: BusPlace): string | undefined {
  if (isAccessRefused(error))
    return `no access to ${describeSource(source)} in ${place.host}. ${rightTo(source, place)}`;
  const trouble = proxyTrouble(error, place.host);
  if (trouble !== undefined) return trouble;
  if (unknownHost(error) !== undefined) {
    const setting = place.kind === "identity" ? "ServiceBus__fullyQualifiedNamespace" : "ServiceBus";
    return `namespace ${place.host} does not resolve in DNS. Set ${setting} to an existing namespace; list them with: ${LIST_NAMESPACES}`;
  }
  return undefined;
}

function rightTo(source: Source, place: BusPlace): string {
  if (place.kind === "identity") {
    return `The app's identity needs the role "${ROLES.bus}" on it (${grantSource(place.host, source, place.clientId)}). Assign it, and wait some minutes until it takes effect`;
  }
  return "Copy the connection string of a current key into ServiceBus; the key needs the right Listen. If the namespace takes no keys, set ServiceBus__fullyQualifiedNamespace instead";
}
