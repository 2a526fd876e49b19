import { ConfigError, LockLostError, UnavailableError } from "../../errors.ts";
import { type Source, sourceName } from "../../run/source.ts";
import { createSource, grantSource, LIST_NAMESPACES, ROLES } from "../azure/remedy.ts";

/** What the SDK's error means for one call, and the words for a person. */
export interface FailedCall {
  readonly source: Source;
  /** What was tried: "defer", "peek". */
  readonly operation: string;
}

/** Where the sources are, and as whom they are read. */
export type BusPlace =
  | { readonly kind: "identity"; readonly host: string; readonly clientId?: string | undefined }
  | { readonly kind: "key"; readonly host: string };

/** `queue "thumbnails"`, `subscription "image-uploaded/thumbnail"`. */
export function describeSource(source: Source): string {
  return `${"queue" in source ? "queue" : "subscription"} "${sourceName(source)}"`;
}

interface SdkError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** The last thing that went wrong: after a retry the SDK throws an AggregateError of all attempts. */
function lastError(error: unknown): unknown {
  return error instanceof AggregateError && error.errors.length > 0 ? lastError(error.errors.at(-1)) : error;
}

function sdkError(thrown: unknown): SdkError | undefined {
  const error = lastError(thrown);
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return { code: error.code, message: error.message, retryable: "retryable" in error && error.retryable === true };
}

/** The broker knows no such message, or somebody else holds it. */
export function isMessageNotFound(error: unknown): boolean {
  return sdkError(error)?.code === "MessageNotFound";
}

/** The lock token is dead. A bare status 410 comes as a GeneralError that names ReceiverDisconnectedError. */
export function isLockLost(error: unknown): boolean {
  const sdk = sdkError(error);
  if (sdk?.code === "MessageLockLost") return true;
  return sdk?.code === "GeneralError" && sdk.message.startsWith("ReceiverDisconnectedError");
}

/** The broker understood the request and will never accept it: here, properties without room. */
export function isRefusal(error: unknown): boolean {
  const sdk = sdkError(error);
  if (sdk === undefined || sdk.retryable || isLockLost(error)) return false;
  return ["GeneralError", "MessageSizeExceeded", "QuotaExceeded"].includes(sdk.code);
}

/** The entity does not do this for receivers without a session. */
export function isSessionRequired(error: unknown): boolean {
  const sdk = sdkError(error);
  return sdk?.code === "GeneralError" && /\bsession/i.test(sdk.message);
}

/** The queue, topic or subscription does not exist. */
export function isEntityMissing(error: unknown): boolean {
  return sdkError(error)?.code === "MessagingEntityNotFound";
}

/** That a source does not exist, where, and the command that creates it. */
export function missingSource(source: Source, { host }: BusPlace): string {
  const command = createSource(host, source);
  const where = host === "" ? "" : ` in ${host}`;
  return `${describeSource(source)} does not exist${where}: create it${command === undefined ? "" : ` (${command})`}`;
}

/** The error that the port promises for one that the SDK threw. Programming errors come back as they are. */
export function translateError(thrown: unknown, call: FailedCall, place: BusPlace): unknown {
  const error = lastError(thrown);
  if (error instanceof ConfigError || error instanceof UnavailableError || error instanceof LockLostError) return error;
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) return error;
  const where = describeSource(call.source);
  if (isLockLost(error)) {
    return new LockLostError(`${call.operation} on ${where}: the lock on the message is lost`, { cause: error });
  }
  const failed = `${call.operation} on ${where} failed`;
  return new UnavailableError(remedy(error, call.source, place) ?? failed, { cause: error });
}

/** What is wrong and what to do about it, where a person has to; undefined where it may pass by itself. */
function remedy(error: unknown, source: Source, place: BusPlace): string | undefined {
  if (isEntityMissing(error)) return missingSource(source, place);
  const sdk = sdkError(error);
  if (sdk?.code === "UnauthorizedAccess")
    return `no access to ${describeSource(source)} in ${place.host}: ${rightTo(source, place)}`;
  if (sdk?.message.includes("ENOTFOUND")) {
    const setting = place.kind === "identity" ? "ServiceBus__fullyQualifiedNamespace" : "ServiceBus";
    return `there is no namespace ${place.host}, as far as DNS knows: put one that there is into ${setting} (${LIST_NAMESPACES})`;
  }
  return undefined;
}

function rightTo(source: Source, place: BusPlace): string {
  if (place.kind === "identity") {
    return `the app's identity needs the role "${ROLES.bus}" on it (${grantSource(place.host, source, place.clientId)}); a new role takes some minutes`;
  }
  return "the key in ServiceBus needs Listen; where the namespace takes no keys at all, set ServiceBus__fullyQualifiedNamespace instead";
}
