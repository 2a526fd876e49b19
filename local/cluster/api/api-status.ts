/** The short names by which clients distinguish failures. */
export type StatusReason =
  | "AlreadyExists"
  | "BadRequest"
  | "Conflict"
  | "Expired"
  | "Forbidden"
  | "Invalid"
  | "MethodNotAllowed"
  | "NotFound"
  | "RequestEntityTooLarge"
  | "Unauthorized"
  | "UnsupportedMediaType"
  | "InternalError";

export interface Resource {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

/** One fault of a refused object, at its field. */
export interface FieldFault {
  readonly field: string;
  readonly reason:
    | "FieldValueRequired"
    | "FieldValueInvalid"
    | "FieldValueDuplicate"
    | "FieldValueNotSupported"
    | "FieldValueForbidden"
    | "FieldValueNotFound"
    | "FieldValueTooLong"
    | "FieldValueTooMany";
  /** The fault, as the server words it after the field's path: `Required value: ...`. */
  readonly message: string;
}

/**
 * A refusal of the API server. The code that serves a request throws it, and the client gets it as a `Status` object.
 */
export class ApiStatusError extends Error {
  override readonly name = "ApiStatusError";
  readonly code: number;
  readonly reason: StatusReason;
  readonly details: object | undefined;

  constructor(code: number, reason: StatusReason, message: string, details?: object) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  /** The body that Kubernetes sends. */
  toStatus(): object {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

function qualified(resource: Resource): string {
  return resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;
}

function detailsOf(resource: Resource, name: string): object {
  return { name, ...(resource.group === "" ? {} : { group: resource.group }), kind: resource.plural };
}

export function notFound(resource: Resource, name: string): ApiStatusError {
  return new ApiStatusError(404, "NotFound", `${qualified(resource)} "${name}" not found`, detailsOf(resource, name));
}

export function alreadyExists(resource: Resource, name: string): ApiStatusError {
  const message = `${qualified(resource)} "${name}" already exists`;
  return new ApiStatusError(409, "AlreadyExists", message, detailsOf(resource, name));
}

/** 409, because a precondition or a resourceVersion doesn't hold. */
export function conflict(resource: Resource, name: string, why: string): ApiStatusError {
  const message = `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`;
  return new ApiStatusError(409, "Conflict", message, detailsOf(resource, name));
}

export function badRequest(message: string): ApiStatusError {
  return new ApiStatusError(400, "BadRequest", message);
}

/** 422 with every fault of the object, in the server's wording. */
export function invalid(resource: Resource, name: string, faults: readonly FieldFault[]): ApiStatusError {
  const kind = resource.group === "" ? resource.kind : `${resource.kind}.${resource.group}`;
  const texts = faults.map((fault) => `${fault.field}: ${fault.message}`);
  const list = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  const causes = faults.map(({ field, reason, message }) => ({ reason, message, field }));
  return new ApiStatusError(422, "Invalid", `${kind} "${name}" is invalid: ${list}`, {
    ...detailsOf({ ...resource, plural: resource.kind }, name),
    causes,
  });
}
