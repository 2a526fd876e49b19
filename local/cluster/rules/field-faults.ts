import type { FieldFault } from "../api/api-status.ts";

/** Collects the faults of one object. Each method adds one, worded as Kubernetes words it. */
export class Faults {
  readonly list: FieldFault[] = [];

  required(field: string, detail: string): void {
    this.list.push({
      field,
      reason: "FieldValueRequired",
      message: `Required value${detail === "" ? "" : `: ${detail}`}`,
    });
  }

  invalid(field: string, value: unknown, detail: string): void {
    this.list.push({
      field,
      reason: "FieldValueInvalid",
      message: `Invalid value: ${JSON.stringify(value)}: ${detail}`,
    });
  }

  duplicate(field: string, value: unknown): void {
    this.list.push({ field, reason: "FieldValueDuplicate", message: `Duplicate value: ${JSON.stringify(value)}` });
  }

  notSupported(field: string, value: unknown, supported: readonly string[]): void {
    const list = supported.map((item) => JSON.stringify(item)).join(", ");
    this.list.push({
      field,
      reason: "FieldValueNotSupported",
      message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`,
    });
  }

  notFound(field: string, value: unknown): void {
    this.list.push({ field, reason: "FieldValueNotFound", message: `Not found: ${JSON.stringify(value)}` });
  }

  tooLong(field: string, maxBytes: number): void {
    this.list.push({ field, reason: "FieldValueTooLong", message: `Too long: may not be more than ${maxBytes} bytes` });
  }

  tooMany(field: string, count: number, most: number): void {
    this.list.push({
      field,
      reason: "FieldValueTooMany",
      message: `Too many: ${count}: must have at most ${most} items`,
    });
  }
}

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/u;
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/u;
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/u;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/u;
const MAX_ANNOTATION_BYTES = 256 * 1024;

export function checkSubdomain(faults: Faults, field: string, value: string, maxLength: number): void {
  if (value.length > maxLength) faults.invalid(field, value, `must be no more than ${maxLength} characters`);
  else if (!SUBDOMAIN.test(value)) {
    faults.invalid(
      field,
      value,
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    );
  }
}

export function checkDnsLabel(faults: Faults, field: string, value: unknown): void {
  if (typeof value !== "string" || value === "") faults.required(field, "");
  else if (value.length > 63) faults.invalid(field, value, "must be no more than 63 characters");
  else if (!LABEL.test(value)) {
    faults.invalid(
      field,
      value,
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
    );
  }
}

function checkQualifiedName(faults: Faults, field: string, key: string): void {
  const parts = key.split("/");
  const name = parts.at(-1) ?? "";
  const prefix = parts.length === 2 ? parts[0] : undefined;
  const isPrefixed = prefix === undefined || (prefix.length <= 253 && SUBDOMAIN.test(prefix));
  if (parts.length > 2 || !isPrefixed || name.length > 63 || !QUALIFIED.test(name)) {
    faults.invalid(
      field,
      key,
      "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    );
  }
}

export function checkLabels(
  faults: Faults,
  field: string,
  labels: Readonly<Record<string, unknown>> | undefined,
): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    checkQualifiedName(faults, field, key);
    if (typeof value !== "string") faults.invalid(field, value, "must be a string");
    else if (value.length > 63) faults.invalid(field, value, "must be no more than 63 characters");
    else if (!LABEL_VALUE.test(value)) {
      faults.invalid(
        field,
        value,
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      );
    }
  }
}

export function checkAnnotations(
  faults: Faults,
  field: string,
  annotations: Readonly<Record<string, unknown>> | undefined,
): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    checkQualifiedName(faults, field, key.toLowerCase());
    if (typeof value !== "string") faults.invalid(field, value, "must be a string");
    else bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > MAX_ANNOTATION_BYTES) faults.tooLong(field, MAX_ANNOTATION_BYTES);
}

/** Adds a fault unless the value is missing or a whole number of at least `least`. */
export function checkInteger(faults: Faults, field: string, value: unknown, least: number): void {
  if (value === undefined || value === null) return;
  if (typeof value !== "number" || !Number.isInteger(value)) faults.invalid(field, value, "must be an integer");
  else if (value < least) {
    faults.invalid(
      field,
      value,
      least === 0 ? "must be greater than or equal to 0" : `must be greater than or equal to ${least}`,
    );
  }
}
