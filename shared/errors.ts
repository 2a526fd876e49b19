/**
 * Settings or a module file are wrong. It is thrown at start, and names the file or setting, the field, the value and
 * what is allowed.
 */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/**
 * The trigger's metadata don't say which message was delivered, or by which lock. Only accept/read-delivery.ts throws
 * it; the message is left untouched, so that its lock lapses and it is delivered again.
 */
export class InvalidMessageError extends Error {
  override readonly name = "InvalidMessageError";
}

/**
 * Another writer was first: HTTP 409 or 412, or a row that is gone. The caller reads again and adopts; it is no error
 * in the log.
 */
export class ConflictError extends Error {
  override readonly name = "ConflictError";
}

/**
 * The lock token is dead, because the lock lapsed, the link closed, or the settlement worked and its reply was lost.
 */
export class LockLostError extends Error {
  override readonly name = "LockLostError";
}

/**
 * A question names a source, a page or a span of time that can't be. The message is a clause that begins in lower case
 * and ends without a full stop.
 */
export class WrongQueryError extends RangeError {
  override readonly name = "WrongQueryError";
}

/**
 * The other side can't be used just now: it throttles, times out, answers 5xx, refuses for lack of a right, or can't be
 * reached. It passes, so that the caller waits for the next tick, or lets the lock lapse.
 */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
}

/**
 * The bus answered that a queue, topic or subscription does not exist. That answer tells of the entity alone: the
 * namespace is there.
 */
export class EntityMissingError extends UnavailableError {}

/** A policy denies this one request, and will deny it until a person changes the policy or the request. */
export class DeniedError extends UnavailableError {}

/** Ignores a ConflictError, after a write for which it doesn't matter who was first. */
export function unlessConflict(error: unknown): void {
  if (!(error instanceof ConflictError)) throw error;
}

/** Writes the text of anything thrown, with the texts of its causes, each once. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause === undefined) return error.message;
  const because = errorText(error.cause);
  if (error.message.includes(because)) return error.message;
  return `${error.message.replace(/\.$/, "")}: ${because}`;
}
