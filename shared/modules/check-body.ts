import type { ErrorObject } from "ajv";
import { errorText } from "../errors.ts";
import { type BodyCheck, compileSchema } from "./body-schema.ts";
import type { Module } from "./module.ts";
import { TimeLimitError, withinTime } from "./within-time.ts";

/** The reason to reject a message of which a peek shows no body. */
export const UNREADABLE_BODY = "the message is AMQP that can't be decoded: nested too deeply, or malformed";

/**
 * How long a check may take. `uniqueItems` over many objects, or a pattern that backtracks, takes minutes for a body of
 * a few hundred KB.
 */
const MAX_CHECK_MS = 1_000;

/** The compiled schemas. Each is compiled when the first message of its module comes. */
const checks = new WeakMap<Module, BodyCheck>();

/**
 * Checks a body by its module's schema. Says what is wrong with it in one line, which quotes only the JSON pointer;
 * undefined if nothing is wrong, or if the module has no schema. Throws an UnavailableError if the process did not get
 * on with it.
 */
export function checkBody(module: Module, body: Uint8Array): string | undefined {
  if (module.schema === undefined) return undefined;
  const parsed = parse(body);
  if ("problem" in parsed) return parsed.problem;
  const check = checks.get(module) ?? compileSchema(module.schema);
  checks.set(module, check);
  try {
    const error = withinTime(MAX_CHECK_MS, () => check(parsed.value));
    return error && describe(error);
  } catch (error) {
    if (error instanceof TimeLimitError)
      return `checking the body against its schema takes longer than ${MAX_CHECK_MS / 1000} s`;
    // The schema refers to itself, and the body is nested tens of thousands deep.
    if (error instanceof RangeError) return "the body is nested too deeply to be checked against its schema";
    throw error;
  }
}

function parse(body: Uint8Array): { value: unknown } | { problem: string } {
  if (body.byteLength === 0) return { problem: "the body is empty, and its schema wants JSON" };
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return { problem: "the body is not JSON: it is not UTF-8 text" };
  }
  try {
    const value: unknown = JSON.parse(text);
    return { value };
  } catch (error) {
    // Only the place is shown, because the engine's own words may quote the body.
    const place = / at position (\d+)/.exec(errorText(error))?.[1];
    return { problem: `the body is not JSON${place === undefined ? "" : `: malformed at character ${place}`}` };
  }
}

function describe(error: ErrorObject): string {
  const extra = error.params["additionalProperty"] ?? error.params["unevaluatedProperty"];
  const step = typeof extra === "string" ? `/${extra.replaceAll("~", "~0").replaceAll("/", "~1")}` : "";
  const pointer = `${error.instancePath}${step}`.replaceAll(/\p{Cc}/gu, "\uFFFD");
  const shown = pointer.length > 200 ? `${pointer.slice(0, 199)}…` : pointer;
  const what = step === "" ? (error.message ?? error.keyword) : "must not be there";
  return `the body breaks its schema at ${shown === "" ? '"" (the whole body)' : shown}: ${what}`;
}
