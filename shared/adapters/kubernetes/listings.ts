import { ConfigError } from "../../errors.ts";
import type { JobListing, PodListing } from "../../ports/job-cluster.ts";
import type { TableRow } from "./tables.ts";

const STATES: Readonly<Record<string, JobListing["state"]>> = {
  Running: "active",
  Suspended: "suspended",
  FailureTarget: "terminating",
  SuccessCriteriaMet: "terminating",
  Terminating: "terminating",
  Complete: "complete",
  Failed: "failed",
};

/**
 * Turns a Job's row into the port's listing. Throws ConfigError if the server is too old to list the status of its
 * Jobs.
 */
export function toJobListing({ name = "", status = "" }: TableRow): JobListing {
  const state = STATES[status];
  if (state !== undefined) return { name, state };
  throw new ConfigError(
    `The API server lists Job ${name} with the status ${JSON.stringify(status)}, not one of ${Object.keys(STATES).join(", ")}. Upgrade the cluster to Kubernetes 1.31 or later.`,
  );
}

/** Turns a pod's row into the port's listing. */
export function toPodListing({ name = "", status = "" }: TableRow): PodListing {
  return { name, jobName: name.replace(/-[^-]{5}$/, ""), status };
}
