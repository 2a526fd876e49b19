import type { V1Job } from "@kubernetes/client-node";
import type { TrialOutcome } from "../../ports/job-cluster.ts";
import { KubernetesFailure } from "./answer.ts";
import type { KubernetesConnection } from "./connection.ts";
import { judgeCreateFailure } from "./create.ts";
import { readObject } from "./objects.ts";

/**
 * Words of the API server if a webhook has side effects and so can't be called in a dry run. They say nothing about the
 * template.
 */
const NO_DRY_RUN = /does not support dry run/;

/**
 * Tries to create a Job by server-side dry run: validation, admission, webhooks and policies all judge it, and nothing
 * is stored. Throws as a create does if it is an outage.
 */
export async function tryJob(
  connection: KubernetesConnection,
  place: { readonly namespace: string; readonly jobsPath: string },
  job: V1Job,
): Promise<TrialOutcome> {
  try {
    const { json, warnings } = await connection.exchange({
      method: "POST",
      // `Warn`, because a create too drops a field that the server doesn't know, and only warns of it.
      path: `${place.jobsPath}?dryRun=All&fieldValidation=Warn`,
      body: job,
    });
    return { kind: "accepted", warnings, stored: readObject("Job", json) };
  } catch (error) {
    if (error instanceof KubernetesFailure && error.reason !== undefined && NO_DRY_RUN.test(error.message))
      return { kind: "can't be tried", message: error.message };
    const outcome = await judgeCreateFailure(error, connection, place.namespace);
    if (outcome === "exists") return { kind: "accepted", warnings: [] };
    if (outcome.kind !== "refused") return outcome;
    return { ...outcome, faults: error instanceof KubernetesFailure ? error.faults : [] };
  }
}
