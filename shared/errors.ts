/** Settings or a module file are wrong. Thrown at start; the message names file or setting, field, value and what is allowed. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** This message can never work. It is dead-lettered with reason `DispatchRejected`, and the text of this error as description. */
export class InvalidMessageError extends Error {
  override readonly name = "InvalidMessageError";
}

/** Someone else was first (HTTP 409 or 412, or a row that is gone): re-read and adopt. Not an error in the log. */
export class ConflictError extends Error {
  override readonly name = "ConflictError";
}

/** The lock token is dead: the lock lapsed, the link closed, or the settlement already happened and its reply was lost. */
export class LockLostError extends Error {
  override readonly name = "LockLostError";
}

/** Throttled, timed out, refused for want of rights, 5xx, no connection. It passes: wait for the next tick, or let the lock lapse. */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
  /** When the other side said how long to wait (`Retry-After`), in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options?: ErrorOptions & { retryAfterMs?: number }) {
    super(message, options);
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** A policy of the cluster denies what was asked, and will go on denying it until somebody changes one or the other. */
export class DeniedError extends UnavailableError {}

/** The text of anything thrown, with the texts of its causes. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `: ${errorText(error.cause)}`;
  return `${error.message}${cause}`;
}
