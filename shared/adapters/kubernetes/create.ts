import { NOT_READY, QUOTA_FULL, WEBHOOK_DOWN } from "../../jobs/admission-texts.ts";
import type { CreateOutcome } from "../../ports/job-cluster.ts";
import { isAllowed } from "./access.ts";
import { isMissingRight, isTerminating, KubernetesFailure } from "./answer.ts";
import type { KubernetesConnection } from "./connection.ts";

/** A webhook, or a validating policy, said no; or something else that admits objects did. The text is all that tells. */
const DENIED = /denied (?:the )?request/;
const TOO_LARGE = /request is too large/;
const CREATE_JOBS = { verb: "create", group: "batch", resource: "jobs" } as const;

/**
 * What a create that failed means: a full quota, a template that can never work, or a Job that exists. Throws the error again where it is an
 * outage: our lack of rights, a namespace that is missing or on its way out, a webhook that is down, a server that is just starting.
 */
export async function judgeCreateFailure(
  error: unknown,
  connection: KubernetesConnection,
  namespace: string,
): Promise<Extract<CreateOutcome, { kind: "quota" | "refused" }> | "exists"> {
  // An answer that isn't the API server's own judges nobody's template.
  if (!(error instanceof KubernetesFailure) || error.reason === undefined) throw error;
  const { code, reason, message } = error;
  if (code === 409 && reason === "AlreadyExists") return "exists";
  if (WEBHOOK_DOWN.test(message) || NOT_READY.test(message) || isTerminating(error) || isMissingRight(error))
    throw error;
  if (code === 403 && QUOTA_FULL.test(message)) return { kind: "quota", message };
  const isRefused = code === 400 || code === 413 || code === 422 || DENIED.test(message) || TOO_LARGE.test(message);
  if (isRefused) return { kind: "refused", message };
  // Admission says 403 too, in words of its own. It is the template that is refused only if we may create Jobs at all.
  if (code === 403 && (await isAllowed(connection, namespace, CREATE_JOBS))) return { kind: "refused", message };
  throw error;
}
