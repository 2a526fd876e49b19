import type { z } from "zod";
import { parseDuration } from "../duration.ts";
import { isOwnEnv } from "../jobs/message-pod.ts";
import { isRecord, shortJson, valueAt } from "../plain-data.ts";
import { DEFAULT_RETRY, MAX_BUDGETED_ATTEMPTS, MAX_DELIVERIES } from "../run/retry-policy.ts";
import { OWNED_ENV_ADVICE, ownedFields } from "./owned-fields.ts";

/** A mistake in a module file: where it is, and the text that follows the field's path. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly part: "key" | "value";
  readonly text: string;
}

/** Turns the schema's issues into problems, one for each field. */
export function schemaProblems(issues: readonly z.core.$ZodIssue[], value: unknown): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const { path, message } = issue;
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => ({ path: [...path, key], part: "key", text: `no such field; write ${message}` }));
    if (issue.code === "invalid_key") {
      const allowed = issue.issues[0]?.message ?? message;
      return [{ path, part: "key", text: `${shortJson(path.at(-1))} is not allowed as a name; write ${allowed}` }];
    }
    const found = valueAt(value, path);
    const text =
      found === undefined ? `missing; write ${message}` : `${shortJson(found)} is not allowed; write ${message}`;
    return [{ path, part: "value", text }];
  });
}

/**
 * Finds mistakes that involve several fields. Reads the unparsed file, so that it finds them beside those that the
 * schema finds.
 */
export function ruleProblems(file: unknown): Problem[] {
  return [
    ...workProblems(file),
    ...whenProblems(file),
    ...backoffProblems(file),
    ...budgetProblems(file),
    ...ownedProblems(file),
  ];
}

function workProblems(file: unknown): Problem[] {
  if (!isRecord(file)) return [];
  const has = (field: string) => Object.hasOwn(file, field);
  if (!has("worker") && !has("jobTemplate")) {
    const text = "missing; write worker (an image to run), or jobTemplate (a whole Job)";
    return atKey("worker", has("handler") ? "missing; write one, because a handler runs around a worker" : text);
  }
  if (!has("jobTemplate")) return [];
  const account = "can't stand beside jobTemplate; write it in jobTemplate.spec.template.spec";
  return [
    ...["worker", "handler"]
      .filter(has)
      .flatMap((field) => atKey(field, "can't stand beside jobTemplate, which is the whole Job; remove one of them")),
    ...(has("serviceAccountName") ? atKey("serviceAccountName", account) : []),
  ];
}

function atKey(field: string, text: string): Problem[] {
  return [{ path: [field], part: "key", text }];
}

function whenProblems(file: unknown): Problem[] {
  const when = valueAt(file, ["when"]);
  const properties = valueAt(when, ["properties"]);
  if (isEmpty(when))
    return [{ path: ["when"], part: "key", text: "says nothing; write a subject or properties, or leave it out" }];
  if (isEmpty(properties))
    return [{ path: ["when", "properties"], part: "key", text: "says nothing; name a property, or leave it out" }];
  return [];
}

function isEmpty(value: unknown): boolean {
  return isRecord(value) && Object.keys(value).length === 0;
}

function backoffProblems(file: unknown): Problem[] {
  const of = (field: string, other: string) => {
    const value = valueAt(file, ["retry", "backoff", field]) ?? other;
    return typeof value === "string" ? { value, ms: parseDuration(value) ?? Number.NaN } : undefined;
  };
  const first = of("first", "10s");
  const max = of("max", "10m");
  if (!first || !max || !(first.ms > max.ms)) return [];
  const text = `first (${first.value}) is longer than max (${max.value}); lower first, or raise max`;
  return [{ path: ["retry", "backoff"], part: "key", text }];
}

/**
 * Refuses budgets that come near the number of deliveries of the message. The bus would end the run then, with a reason
 * that says nothing about the work.
 */
function budgetProblems(file: unknown): Problem[] {
  const of = (field: "maxAttempts" | "maxInterruptions") => {
    const value = valueAt(file, ["retry", field]) ?? DEFAULT_RETRY[field];
    return typeof value === "number" && value <= MAX_BUDGETED_ATTEMPTS ? value : 0;
  };
  const attempts = of("maxAttempts");
  const interruptions = of("maxInterruptions");
  const sum = attempts + interruptions;
  if (!(sum > MAX_BUDGETED_ATTEMPTS)) return [];
  const text = `maxAttempts (${attempts}) and maxInterruptions (${interruptions}) are ${sum} together, and may be at most ${MAX_BUDGETED_ATTEMPTS}; lower one, because each attempt costs the message a delivery, and after ${MAX_DELIVERIES} deliveries the bus dead-letters it as MaxDeliveryCountExceeded, whatever became of its Jobs`;
  return [{ path: ["retry"], part: "key", text }];
}

function ownedProblems(file: unknown): Problem[] {
  const env = ["worker", "handler"].flatMap((field) => {
    const variables = valueAt(file, [field, "env"]);
    return (isRecord(variables) ? Object.keys(variables) : [])
      .filter(isOwnEnv)
      .map((name): Problem => ({ path: [field, "env", name], part: "key", text: `not allowed; ${OWNED_ENV_ADVICE}` }));
  });
  const template = ownedFields(valueAt(file, ["jobTemplate"])).map(({ path, instead }): Problem => {
    const value = valueAt(file, ["jobTemplate", ...path]);
    return { path: ["jobTemplate", ...path], part: "key", text: `${shortJson(value)} is not allowed; ${instead}` };
  });
  return [...env, ...template];
}
