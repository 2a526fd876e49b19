import { isObject } from "../store/wire.ts";
import { ApiStatusError, badRequest } from "./api-status.ts";

/**
 * The object with a patch applied; the argument itself stays unchanged. Strategic merge patches are applied as merge
 * patches, which replace lists. Labels, annotations and plain fields need no more. Throws 400, 415 or 422 as the API
 * server does.
 */
export function applyPatch(object: unknown, patch: unknown, contentType: string): unknown {
  switch (contentType) {
    case "application/merge-patch+json":
    case "application/strategic-merge-patch+json": {
      if (!isObject(patch)) throw badRequest("error decoding patch: a merge patch has to be a JSON object");
      return mergePatch(object, patch);
    }
    case "application/json-patch+json": {
      if (!Array.isArray(patch)) throw badRequest("error decoding patch: a JSON patch has to be a list of operations");
      return patch.reduce<unknown>(applyOperation, structuredClone(object));
    }
    default:
      throw new ApiStatusError(
        415,
        "UnsupportedMediaType",
        `the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json`,
      );
  }
}

/** Applies a merge patch (RFC 7386). */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/**
 * Applies one operation of RFC 6902: add, remove, replace or test. Changes `document`, which is the caller's own copy.
 */
function applyOperation(document: unknown, operation: unknown): unknown {
  const { op, path, value } = isObject(operation) ? operation : {};
  if (typeof path !== "string") throw badRequest("error decoding patch: an operation needs a path");
  const keys = path
    .split("/")
    .slice(1)
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = keys.pop();
  if (last === undefined) throw badRequest("error decoding patch: the whole document can't be replaced");
  let parent: unknown = document;
  for (const key of keys) parent = typeof parent === "object" && parent !== null ? Reflect.get(parent, key) : undefined;
  if (typeof parent !== "object" || parent === null)
    throw unprocessable(`${String(op)} operation does not apply: doc is missing path: ${path}`);
  const exists = Object.hasOwn(parent, last);
  if ((op === "remove" || op === "replace" || op === "test") && !exists) {
    throw unprocessable(`${op} operation does not apply: doc is missing key: ${path}: missing value`);
  }
  switch (op) {
    case "add":
    case "replace":
      if (Array.isArray(parent) && op === "add") parent.splice(last === "-" ? parent.length : Number(last), 0, value);
      else Reflect.set(parent, last, value);
      return document;
    case "remove":
      if (Array.isArray(parent)) parent.splice(Number(last), 1);
      else Reflect.deleteProperty(parent, last);
      return document;
    case "test":
      if (JSON.stringify(Reflect.get(parent, last)) !== JSON.stringify(value)) {
        throw unprocessable(`testing value ${path} failed: test failed`);
      }
      return document;
    default:
      throw badRequest(
        `error decoding patch: operation ${JSON.stringify(op)} is not one of add, remove, replace, test`,
      );
  }
}

function unprocessable(message: string): ApiStatusError {
  return new ApiStatusError(
    422,
    "Invalid",
    `the server rejected our request due to an error in our request: ${message}`,
  );
}
