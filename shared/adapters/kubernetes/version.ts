import { isRecord } from "../../plain-data.ts";
import type { ClusterVersion } from "../../ports/job-cluster.ts";

/**
 * Reads the answer to `/version`. Managed clusters print more than a number, such as `31+`. Undefined if either part is
 * no number.
 */
export function readVersion(answer: unknown): ClusterVersion | undefined {
  if (!isRecord(answer)) return undefined;
  const major = leadingNumber(answer["major"]);
  const minor = leadingNumber(answer["minor"]);
  return major === undefined || minor === undefined ? undefined : { major, minor };
}

function leadingNumber(text: unknown): number | undefined {
  const [digits] = typeof text === "string" ? (/^\d{1,6}/.exec(text) ?? []) : [];
  return digits === undefined ? undefined : Number(digits);
}
