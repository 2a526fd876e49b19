import type { V1Job } from "@kubernetes/client-node";
import type { TrialOutcome } from "../../ports/job-cluster.ts";
import { KubernetesFailure } from "./answer.ts";
import type { KubernetesConnection } from "./connection.ts";
import { judgeCreateFailure } from "./create.ts";

/** A webhook that does more than to judge, and so is never called for a dry run. It says nothing about the template. */
const NO_DRY_RUN = /does not support dry run/;

/**
 * A create by server-side dry run: validation, admission, webhooks and policies all judge it, and nothing is stored. Throws as a create does
 * where it is an outage.
 */
export async function tryJob(
  connection: KubernetesConnection,
  place: { readonly namespace: string; readonly jobsPath: string },
  job: V1Job,
): Promise<TrialOutcome> {
  try {
    const { warnings } = await connection.exchange({
      method: "POST",
      // A field that the server doesn't know is dropped by a create too: say so, and refuse no more than a create would.
      path: `${place.jobsPath}?dryRun=All&fieldValidation=Warn`,
      body: job,
    });
    return { kind: "accepted", warnings };
  } catch (error) {
    if (error instanceof KubernetesFailure && error.reason !== undefined && NO_DRY_RUN.test(error.message))
      return { kind: "can't be tried", message: error.message };
    const outcome = await judgeCreateFailure(error, connection, place.namespace);
    if (outcome === "exists") return { kind: "accepted", warnings: [] };
    if (outcome.kind !== "refused") return outcome;
    return { ...outcome, faults: error instanceof KubernetesFailure ? error.faults : [] };
  }
}
