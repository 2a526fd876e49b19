import { ConfigError, LockLostError, UnavailableError } from "../errors.ts";
import { type Source, sourceName } from "../run/source.ts";

/** What the SDK's error means for one call, and the words for a person. */
export interface FailedCall {
  readonly source: Source;
  /** What was tried: "defer", "peek". */
  readonly operation: string;
}

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

/** The error that the port promises for one that the SDK threw. Programming errors come back as they are. */
export function translateError(thrown: unknown, call: FailedCall): unknown {
  const error = lastError(thrown);
  if (error instanceof ConfigError || error instanceof UnavailableError || error instanceof LockLostError) return error;
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) return error;
  const where = describeSource(call.source);
  if (isLockLost(error)) {
    return new LockLostError(`${call.operation} on ${where}: the lock on the message is lost`, { cause: error });
  }
  if (isEntityMissing(error)) {
    return new UnavailableError(`${call.operation}: ${where} does not exist (any more)`, { cause: error });
  }
  if (sdkError(error)?.code === "UnauthorizedAccess") {
    const role = 'the role "Azure Service Bus Data Receiver", or a key with Listen,';
    return new UnavailableError(`${call.operation}: no access to ${where}: the app needs ${role} on it`, {
      cause: error,
    });
  }
  return new UnavailableError(`${call.operation} on ${where} failed`, { cause: error });
}
