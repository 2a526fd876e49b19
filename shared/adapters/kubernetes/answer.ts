import { DeniedError, UnavailableError } from "../../errors.ts";
import { MISSING_RIGHT, NOT_READY, QUOTA_FULL, TERMINATING, WEBHOOK_DOWN } from "../../jobs/admission-texts.ts";
import { isRecord } from "../../plain-data.ts";
import type { FieldFault } from "../../ports/job-cluster.ts";
import { rightsInWords } from "../../ports/rights.ts";
import { withoutSignatures } from "../../run/without-signatures.ts";
import { retryAfterMs } from "../retry-after.ts";

/**
 * The API server answered with a failure. It never leaves the adapter, because each call says what the failure means to
 * it.
 */
export class KubernetesFailure extends Error {
  override readonly name = "KubernetesFailure";
  readonly code: number;
  /**
   * The server's own word for the failure (`AlreadyExists`, `Conflict` ...); undefined if the answer is no Kubernetes
   * `Status`.
   */
  readonly reason: string | undefined;
  /** The fields that a 422 complains about, and how. */
  readonly faults: readonly FieldFault[];
  readonly retryAfterMs: number | undefined;

  constructor(code: number, body: string, headers: Readonly<Record<string, string>>) {
    const status = parseStatus(body);
    // A server, webhook or proxy may quote the Job that it refuses, and with it the signed URL of its message's body.
    super(withoutSignatures(status?.message ?? `not an answer of a Kubernetes API server: ${excerpt(body)}`));
    this.code = code;
    this.reason = status?.reason;
    this.faults = status?.faults ?? [];
    this.retryAfterMs = retryAfterMs(headers["retry-after"], headers["date"]);
  }
}

/**
 * No usable answer came: the connection failed, the time ran out, or a proxy's page or half a document came instead.
 */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
}

/** Shortens a text to the start of it, in one line, for an error message. */
export function excerpt(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  if (line === "") return "an empty body";
  return line.length <= 200 ? line : `${line.slice(0, 200)}...`;
}

function parseStatus(body: string): { message: string; reason: string; faults: FieldFault[] } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || value["kind"] !== "Status") return undefined;
  const { message, reason, details } = value;
  const causes = isRecord(details) && Array.isArray(details["causes"]) ? details["causes"] : [];
  return {
    message: typeof message === "string" && message !== "" ? message : excerpt(body),
    reason: typeof reason === "string" ? reason : "",
    faults: causes.flatMap(toFault),
  };
}

function toFault(cause: unknown): FieldFault[] {
  const { field, message } = isRecord(cause) ? cause : {};
  return typeof field === "string" && typeof message === "string" ? [{ field, message }] : [];
}

/** Reads the texts of a `Warning` header, each once: `299 - "unknown field \\"spec.a\\"", 299 - "..."`. */
export function readWarnings(header: string | undefined): string[] {
  const texts = [...(header ?? "").matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) => text);
  return [...new Set(texts.map((text) => text.replaceAll(/\\(.)/g, "$1")))];
}

/** The server and namespace of a request, for error texts. */
export interface ClusterPlace {
  readonly server: string;
  readonly namespace: string;
}

/**
 * Turns a failure into the error for a caller who can only wait: an UnavailableError that says which server answered
 * what, and what to do. An error that is neither a failure of the server nor a missing answer is a bug, and comes back
 * as it is.
 */
export function unavailable(error: unknown, doing: string, place: ClusterPlace): unknown {
  if (error instanceof NoAnswerError) {
    const why = error.message.replace(/\.$/, "");
    const message = `The Kubernetes API server ${place.server} can't be used just now, ${doing}: ${why}.`;
    return new UnavailableError(message, { cause: error.cause ?? error });
  }
  if (!(error instanceof KubernetesFailure)) return error;
  const code = [error.code, error.reason].filter(Boolean).join(" ");
  const advice = adviceFor(error, place);
  const answered = `${code}: ${error.message}${advice === "" ? "" : `. ${advice}`}`;
  const Kind = isDenied(error) ? DeniedError : UnavailableError;
  return new Kind(
    `The Kubernetes API server ${place.server} can't be used just now, ${doing}. It answered ${answered}`,
    { cause: error },
  );
}

function adviceFor(error: KubernetesFailure, { namespace }: ClusterPlace): string {
  if (error.code === 401)
    return "It does not accept the Dispatcher's credentials. Renew the token or certificate, which may have expired.";
  if (isMissingRight(error)) {
    return `The Dispatcher lacks this right. Add it to the Role in namespace ${namespace}, which needs ${rightsInWords()}.`;
  }
  if (isTerminating(error)) return `Namespace ${namespace} is being deleted. Create it again once it is gone.`;
  if (error.code === 404 && error.message.startsWith("namespaces "))
    return `Set JOB_NAMESPACE to an existing namespace, or create this one with: kubectl create namespace ${namespace}`;
  return "";
}

/**
 * Whether a webhook, a validating policy or another admission plugin denied the request. A webhook chooses its status
 * code and headers itself, so only the words tell its denial from an answer of the API server.
 */
export function isDenial({ message }: KubernetesFailure): boolean {
  return /denied (?:the )?request/.test(message);
}

/**
 * Whether the API server itself is overloaded, and says when to come back. A webhook's denial is never that, whatever
 * its status code and headers: it is about one Job, and the server is well.
 */
export function isOverload(failure: KubernetesFailure): boolean {
  const saysWhen = (failure.code === 429 || failure.code === 503) && failure.retryAfterMs !== undefined;
  return saysWhen && !isDenial(failure) && !WEBHOOK_DOWN.test(failure.message);
}

/**
 * Whether a failure passes by itself, because the server or a webhook is overloaded, fails, or says when to come back.
 * Then nothing is refused.
 */
export function isPassing({ code, retryAfterMs }: KubernetesFailure): boolean {
  return code === 429 || code >= 500 || retryAfterMs !== undefined;
}

/** Whether the authorizer refused. */
export function isMissingRight(error: KubernetesFailure): boolean {
  return error.code === 403 && MISSING_RIGHT.test(error.message);
}

/** Whether admission refused for good: a policy, a webhook or validation. */
function isDenied(error: KubernetesFailure): boolean {
  if (error.reason === undefined || isPassing(error) || isMissingRight(error) || isTerminating(error)) return false;
  if ([WEBHOOK_DOWN, NOT_READY, QUOTA_FULL].some((passing) => passing.test(error.message))) return false;
  return error.code === 403 || error.code === 422 || isDenial(error);
}

/** Whether a create was refused because the namespace is being deleted, which is no template's fault. */
export function isTerminating(error: KubernetesFailure): boolean {
  return error.code === 403 && TERMINATING.test(error.message);
}
