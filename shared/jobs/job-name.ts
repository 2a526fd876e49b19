import { createHash } from "node:crypto";
import type { RunKey } from "../run/run.ts";
import { sourceKey } from "../run/source.ts";

/**
 * The Job controller cuts a generated pod name's base at 58 characters, `<job>-` included. Within 57 nothing is cut, so that a pod's name
 * without its last six characters is always its Job's.
 */
export const MAX_JOB_NAME_LENGTH = 57;

/** Leaves room for the hash (10), the largest sequence number (11 in base 36), five digits of attempt, and the hyphens. */
const MAX_MODULE_LENGTH = 28;

/**
 * 48 bits. The sequence number and the attempt stand in the name in full, so that only runs of one number can ever meet: as many as there
 * are sources, instances and re-created entities, which is dozens.
 */
const HASH_HEX_DIGITS = 12;

/**
 * The name of the one Job of one attempt: `<module>-<hash>-<sequence number in base 36>-<attempt>`. The same for everyone who asks, so that
 * the cluster itself refuses a second start. A DNS label of at most 57 characters, whatever the module is called; modules whose names are
 * cut alike still differ by the hash.
 */
export function jobName(of: { module: string; instance: string; key: RunKey; attempt: number }): string {
  return jobNamer(of)(of.attempt);
}

/** The names of all the attempts of one run, for whoever looks for many of them. */
export function jobNamer(of: { module: string; instance: string; key: RunKey }): (attempt: number) => string {
  const { module, instance, key } = of;
  const identity = JSON.stringify([
    instance,
    sourceKey(key.source),
    // guard: enqueued-time-in-name
    key.enqueuedAt,
    module,
  ]);
  const digest = createHash("sha256").update(identity).digest("hex");
  const hash = Number.parseInt(digest.slice(0, HASH_HEX_DIGITS), 16).toString(36).padStart(10, "0");
  return (attempt) => {
    // guard: own-name
    return `${label(module)}-${hash}-${key.sequenceNumber.toString(36)}-${attempt}`;
  };
}

/** What of a module's name fits into a DNS label. Module names are labels already, except in rows that somebody edited. */
function label(module: string): string {
  const plain = module.toLowerCase().replaceAll(/[^a-z\d]+/g, "-");
  return plain.slice(0, MAX_MODULE_LENGTH).replaceAll(/^-+|-+$/g, "") || "run";
}
