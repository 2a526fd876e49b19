import { createHash } from "node:crypto";
import type { RunKey } from "../run/run.ts";
import { sourceKey } from "../run/source.ts";

/**
 * The longest name of a Job. The Job controller cuts the base of a pod's name, `<job>-`, at 58 characters. Up to 57 it
 * cuts nothing, so that a pod's name without its last six characters is always its Job's.
 */
export const MAX_JOB_NAME_LENGTH = 57;

/**
 * The longest part of a module's name. It leaves space for the hash (10), the largest sequence number (11 in base 36),
 * five digits of attempt, and the hyphens.
 */
const MAX_MODULE_LENGTH = 28;

/**
 * The length of the hash: 48 bits. The name holds the sequence number and the attempt in full, so that only runs of the
 * same number can clash. There are as many of those as sources, instances and recreated entities, which is dozens.
 */
const HASH_HEX_DIGITS = 12;

/**
 * Names the one Job of one attempt: `<module>-<hash>-<sequence number in base 36>-<attempt>`. Every replica gets the
 * same name, so that the cluster itself refuses a second start. The name is a DNS label of at most 57 characters;
 * modules whose names are cut alike still differ by the hash.
 */
export function jobName(of: { module: string; instance: string; key: RunKey; attempt: number }): string {
  return jobNamer(of)(of.attempt);
}

/** Makes the names of all attempts of one run, for callers that need many of them. */
export function jobNamer(of: { module: string; instance: string; key: RunKey }): (attempt: number) => string {
  const { module, instance, key } = of;
  const identity = JSON.stringify([
    instance,
    sourceKey(key.source),
    // guard: enqueued-time-in-name
    key.enqueuedAt,
    module,
    ...(key.redrive === undefined ? [] : [key.redrive]),
  ]);
  const digest = createHash("sha256").update(identity).digest("hex");
  const hash = Number.parseInt(digest.slice(0, HASH_HEX_DIGITS), 16).toString(36).padStart(10, "0");
  return (attempt) => {
    // guard: own-name
    return `${label(module)}-${hash}-${key.sequenceNumber.toString(36)}-${attempt}`;
  };
}

/** Cuts a module's name to a DNS label. Module names are labels already, except in rows that a person edited. */
function label(module: string): string {
  const plain = module.toLowerCase().replaceAll(/[^a-z\d]+/g, "-");
  return plain.slice(0, MAX_MODULE_LENGTH).replaceAll(/^-+|-+$/g, "") || "run";
}
