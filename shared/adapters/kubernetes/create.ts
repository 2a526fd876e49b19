import { NOT_READY, QUOTA_FULL, WEBHOOK_DOWN } from "../../jobs/admission-texts.ts";
import type { CreateOutcome } from "../../ports/job-cluster.ts";
import { isAllowed } from "./access.ts";
import { isDenial, isMissingRight, isPassing, isTerminating, KubernetesFailure } from "./answer.ts";
import type { KubernetesConnection } from "./connection.ts";

const TOO_LARGE = /request is too large/;
const CREATE_JOBS = { verb: "create", group: "batch", resource: "jobs" } as const;

/**
 * Says what a failed create means: a full quota, a template that can never work, or a Job that exists. Throws the error
 * again if it is an outage: a right that we lack, a namespace that is missing or being deleted, a webhook that is down,
 * a server that is just starting, and whatever passes by itself.
 */
export async function judgeCreateFailure(
  error: unknown,
  connection: KubernetesConnection,
  namespace: string,
): Promise<Extract<CreateOutcome, { kind: "quota" | "refused" }> | "exists"> {
  // A proxy's answer says nothing about the template.
  if (!(error instanceof KubernetesFailure) || error.reason === undefined) throw error;
  const { code, reason, message } = error;
  if (code === 409 && reason === "AlreadyExists" && !isDenial(error)) return "exists";
  if (WEBHOOK_DOWN.test(message) || NOT_READY.test(message) || isTerminating(error) || isMissingRight(error))
    throw error;
  if (code === 403 && QUOTA_FULL.test(message)) return { kind: "quota", message };
  if (isPassing(error)) throw error;
  const isRefused = code === 400 || code === 413 || code === 422 || isDenial(error) || TOO_LARGE.test(message);
  if (isRefused) return { kind: "refused", message };
  // A missing right and a refusal by admission are both 403. If we may create Jobs, it is the template that is refused.
  if (code === 403 && (await isAllowed(connection, namespace, CREATE_JOBS))) return { kind: "refused", message };
  throw error;
}
