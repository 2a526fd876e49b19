// Admission errors that pass by themselves come with the same status (usually 403) as permanent refusals, so only the
// text tells them apart. These are the words of Kubernetes 1.31 to 1.36.

/**
 * A quota is full, or its controller has not counted its use yet. The words are from the API server's
 * `pkg/admission/plugin/resourcequota/controller.go`.
 */
export const QUOTA_FULL = /exceeded quota|status unknown for quota/i;

/**
 * A webhook that must be asked doesn't answer. This is an outage, whatever code or event it comes with. The words are
 * from the API server's `pkg/util/webhook/error.go`, and from `dispatcher.go` in
 * `pkg/admission/plugin/webhook/validating` and `mutating`.
 */
export const WEBHOOK_DOWN = /failed calling webhook|failed to call webhook/;

/**
 * The server has just started, and doesn't know yet which policies and webhooks to ask. The words are from the API
 * server's `pkg/admission/plugin/webhook/generic/webhook.go` and `pkg/admission/plugin/policy/generic/plugin.go`.
 */
export const NOT_READY = /not yet ready to handle request/;

/** The namespace is being deleted. The words are from `pkg/admission/plugin/namespace/lifecycle/admission.go`. */
export const TERMINATING = /because it is being terminated/;

/** The authorizer refused. RBAC, a webhook and a cloud's own authorizer all say it in these words. */
export const MISSING_RIGHT = /\bcannot \w+ resource\b/;

/** Whether a refusal is about this object, and will be the same for every other one of its template. */
export function isRefusal(message: string): boolean {
  if ([QUOTA_FULL, WEBHOOK_DOWN, NOT_READY, TERMINATING, MISSING_RIGHT].some((passing) => passing.test(message)))
    return false;
  return /\bis forbidden\b|\bis invalid\b|denied (?:the )?request/.test(message);
}
