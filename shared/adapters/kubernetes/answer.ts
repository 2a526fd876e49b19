import { DeniedError, UnavailableError } from "../../errors.ts";
import { NOT_READY, QUOTA_FULL, WEBHOOK_DOWN } from "../../jobs/admission-texts.ts";
import { isRecord } from "../../plain-data.ts";
import type { FieldFault } from "../../ports/job-cluster.ts";
import { rightsInWords } from "../../ports/rights.ts";
import { withoutSignatures } from "../../run/without-signatures.ts";
import { retryAfterMs } from "../retry-after.ts";

/** The API server answered with a failure. Never leaves the adapter: each call says what the failure means to it. */
export class KubernetesFailure extends Error {
  override readonly name = "KubernetesFailure";
  readonly code: number;
  /** The server's own word for the failure (`AlreadyExists`, `Conflict` ...); undefined where the answer is no Kubernetes `Status`. */
  readonly reason: string | undefined;
  /** The fields that a 422 complains about, and how. */
  readonly faults: readonly FieldFault[];
  readonly retryAfterMs: number | undefined;

  constructor(code: number, body: string, headers: Readonly<Record<string, string>>) {
    const status = parseStatus(body);
    // Whoever refuses a Job may quote it, and with it the URL of its message's body: a server, a webhook, a proxy.
    super(withoutSignatures(status?.message ?? `not an answer of a Kubernetes API server: ${excerpt(body)}`));
    this.code = code;
    this.reason = status?.reason;
    this.faults = status?.faults ?? [];
    this.retryAfterMs = retryAfterMs(headers["retry-after"]);
  }
}

/** No answer, or none that can be used: no connection, a time-out, a proxy's page, half a document. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
}

/** The start of a text in one line, for an error message. */
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

/** The texts of a `Warning` header, each once: `299 - "unknown field \\"spec.a\\"", 299 - "..."`. */
export function readWarnings(header: string | undefined): string[] {
  const texts = [...(header ?? "").matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) => text);
  return [...new Set(texts.map((text) => text.replaceAll(/\\(.)/g, "$1")))];
}

/** Where a request went, as error texts name it. */
export interface ClusterPlace {
  readonly server: string;
  readonly namespace: string;
}

/**
 * What a failure means to whoever can only wait: an UnavailableError that says which server answered what, and what to look at. Anything
 * that is neither a failure of the server nor a missing answer is a bug and comes back as it is.
 */
export function unavailable(error: unknown, doing: string, place: ClusterPlace): unknown {
  if (error instanceof NoAnswerError) {
    const message = `The Kubernetes API server ${place.server} can't be used just now, ${doing}: ${error.message}.`;
    return new UnavailableError(message, { cause: error.cause ?? error });
  }
  if (!(error instanceof KubernetesFailure)) return error;
  const answered = `${error.code}${error.reason === undefined || error.reason === "" ? "" : ` ${error.reason}`}: ${error.message}`;
  const advice = adviceFor(error, place);
  const Kind = isDenied(error) ? DeniedError : UnavailableError;
  return new Kind(
    `The Kubernetes API server ${place.server} can't be used just now, ${doing}. It answered ${answered}${advice === "" ? "" : ` ${advice}`}`,
    { cause: error },
  );
}

function adviceFor(error: KubernetesFailure, { namespace }: ClusterPlace): string {
  if (error.code === 401)
    return "- it does not accept the Dispatcher's credentials: is the token or certificate expired?";
  if (isMissingRight(error)) {
    return `- the Dispatcher lacks this right: its Role in namespace ${namespace} needs ${rightsInWords()}.`;
  }
  if (isTerminating(error)) return `- namespace ${namespace} is being deleted.`;
  if (error.code === 404 && error.message.startsWith("namespaces ")) return `- is JOB_NAMESPACE (${namespace}) right?`;
  return "";
}

/** The authorizer's words, whichever authorizer it is: RBAC, a webhook, a cloud's own. */
export function isMissingRight(error: KubernetesFailure): boolean {
  return error.code === 403 && /\bcannot \w+ resource\b/.test(error.message);
}

/** Whether admission said no for good: a policy, a webhook, validation. */
function isDenied(error: KubernetesFailure): boolean {
  if (error.reason === undefined || isMissingRight(error) || isTerminating(error)) return false;
  if ([WEBHOOK_DOWN, NOT_READY, QUOTA_FULL].some((passing) => passing.test(error.message))) return false;
  return error.code === 403 || error.code === 422;
}

/** A namespace on its way out refuses creates: no template's fault. */
export function isTerminating(error: KubernetesFailure): boolean {
  return error.code === 403 && /because it is being terminated/.test(error.message);
}
