import type { JobListing, PodListing } from "../../ports/job-cluster.ts";
import { NoAnswerError } from "./answer.ts";
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
 * Turns a Job's row into the port's listing. A Job whose status is an unknown word counts as at work, because a newer
 * server may print more words, and one of them must not stop the others. Throws NoAnswerError if the server is too old
 * to list the status of its Jobs.
 */
export function toJobListing({ name = "", status }: TableRow): JobListing {
  if (status === undefined)
    throw new NoAnswerError("it lists Jobs without their status. Upgrade the cluster to Kubernetes 1.31 or later");
  const state = Object.hasOwn(STATES, status) ? STATES[status] : undefined;
  return state === undefined ? { name, state: "active", unknownStatus: status } : { name, state };
}

/** Whether the listing says that the Job is over, or a word that this version doesn't know, which may mean so. */
export function tellsOfAnEnd({ state, unknownStatus }: JobListing): boolean {
  return state === "complete" || state === "failed" || unknownStatus !== undefined;
}

/** Turns a pod's row into the port's listing. */
export function toPodListing({ name = "", status = "", ready: cell = "" }: TableRow): PodListing {
  const [ready = 0, containers = 0] = /^\d+\/\d+$/.test(cell) ? cell.split("/").map(Number) : [];
  return { name, jobName: name.replace(/-[^-]{5}$/, ""), status, ready, containers };
}
