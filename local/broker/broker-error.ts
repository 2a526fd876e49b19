/**
 * The broker's answer when it refuses: an AMQP condition, which clients turn into a code, and the status of a
 * management reply.
 */
export class BrokerError extends Error {
  override readonly name = "BrokerError";
  readonly condition: string;
  readonly statusCode: number;

  constructor(condition: string, statusCode: number, message: string) {
    super(message);
    this.condition = condition;
    this.statusCode = statusCode;
  }
}

/** No queue, topic or subscription has this address. */
export function entityNotFound(address: string): BrokerError {
  return new BrokerError("amqp:not-found", 404, `The messaging entity '${address}' could not be found.`);
}

/** No deferred message has this number, or another receiver holds its lock just now. */
export function messageNotFound(): BrokerError {
  return new BrokerError(
    "com.microsoft:message-not-found",
    404,
    "Failed to lock one or more specified messages. The message does not exist, is not deferred, or is locked.",
  );
}

/** The lock token is unknown, or no longer known. */
export function lockLost(): BrokerError {
  return new BrokerError(
    "com.microsoft:message-lock-lost",
    410,
    "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the queue.",
  );
}

/** The client's token is not one for the entity. */
export function unauthorized(message: string): BrokerError {
  return new BrokerError("amqp:unauthorized-access", 401, message);
}

/** The entity, or this broker, does not do this. */
export function notAllowed(message: string): BrokerError {
  return new BrokerError("amqp:not-allowed", 400, message);
}

/** An argument is malformed or over a limit. */
export function badArgument(message: string): BrokerError {
  return new BrokerError("com.microsoft:argument-error", 400, message);
}

/** The message is larger than the link allows. */
export function tooLarge(message: string): BrokerError {
  return new BrokerError("amqp:link:message-size-exceeded", 403, message);
}

/**
 * What a client is told about a thrown value. A BrokerError is passed on as it is; a bug of ours becomes an internal
 * error.
 */
export function asBrokerError(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error;
  return new BrokerError("amqp:internal-error", 500, error instanceof Error ? error.message : String(error));
}
