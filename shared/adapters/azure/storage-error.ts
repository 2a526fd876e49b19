import { ConflictError, UnavailableError } from "../../errors.ts";
import { grantAccount, LIST_ACCOUNTS } from "./remedy.ts";
import type { StorageConnection } from "./storage-connection.ts";

/** The fields of the storage SDKs' errors that we read. */
interface StorageFailure {
  readonly name: string;
  readonly statusCode?: number;
  readonly code?: string;
  readonly details?: { readonly odataError?: { readonly code?: string }; readonly errorCode?: string };
}

/** The table or blob service that failed, and what its errors have to say about it. */
export interface StorageService {
  /** Its name in errors, such as `The table DispatcherRuns`. */
  readonly name: string;
  /** The role that the app needs there. */
  readonly role: string;
  readonly connection: StorageConnection;
  readonly timeoutMs: number;
}

/** Reads the status of the service's answer. Undefined if no answer came, or if the error is not a storage SDK's. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error ? (error as Error & StorageFailure).statusCode : undefined;
}

/** Reads the service's own code, such as `TableNotFound`. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { details, code } = error as Error & StorageFailure;
  return details?.odataError?.code ?? details?.errorCode ?? code;
}

/** The service's answer for people, such as `409 BlobImmutableDueToPolicy`. */
export function answerOf(error: unknown): string {
  return [statusOf(error), codeOf(error)].filter((part) => part !== undefined).join(" ");
}

/**
 * Whether another writer was first, so that the row exists, has changed, or is gone. A table or container that is gone
 * doesn't count.
 */
function isConflict(error: unknown): boolean {
  const status = statusOf(error);
  return isMissing(error) || ((status === 409 || status === 412) && !GONE_OR_GOING.has(codeOf(error) ?? ""));
}

/**
 * Whether the service says that a row or blob is not there. A table or container that is gone doesn't count, and neither
 * does a 404 without a code: the service always gives one.
 */
export function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return statusOf(error) === 404 && code !== undefined && !GONE_OR_GOING.has(code);
}

/**
 * Translates an SDK's error: into an UnavailableError that says what to do if it may pass by itself, into a
 * ConflictError if another writer was first. Any other error is a bug, and comes back as it is.
 */
export function translated(error: unknown, doing: string, service: StorageService): unknown {
  if (!(error instanceof Error)) return error;
  if (isConflict(error)) {
    return new ConflictError(`${service.name}: ${doing}: another writer was first.`, { cause: error });
  }
  const failure: Error & StorageFailure = error;
  const why = passing(failure, service);
  if (why === undefined) return error;
  return new UnavailableError(`${service.name} can't be used just now, ${doing}: ${why}`, { cause: error });
}

const GONE_OR_GOING = new Set([
  "TableNotFound",
  "TableBeingDeleted",
  "ContainerNotFound",
  "ContainerBeingDeleted",
  "ContainerDisabled",
]);

/**
 * Whether every other request would fail too, because the service or its table is away, busy, or refuses the app. A
 * plain 500 doesn't count: one row may cause it.
 */
export function befallsAll(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  if (code !== undefined && (GONE_OR_GOING.has(code) || code === "OperationTimedOut")) return true;
  const status = statusOf(error);
  if (status !== undefined) return [401, 403, 408, 429, 502, 503, 504].includes(status);
  return NO_TOKEN.test(error.name) || NO_ANSWER.has(error.name) || /^E[A-Z]+$/.test(code ?? "");
}

const NO_ANSWER = new Set(["AbortError", "TimeoutError", "RestError"]);

/** Names of the errors of a credential that got no token. */
const NO_TOKEN = /^(?:CredentialUnavailable|AggregateAuthentication|Authentication|AuthenticationRequired)Error$/;

/** Says why a failure may pass by itself, and what to do. Undefined if it won't pass. */
function passing(error: Error & StorageFailure, service: StorageService): string | undefined {
  const status = error.statusCode;
  const code = codeOf(error);
  const answer = answerOf(error);
  if (NO_TOKEN.test(error.name)) return "the app's identity got no token.";
  if (error.name === "AbortError" || error.name === "TimeoutError") return `no answer within ${service.timeoutMs} ms.`;
  if (status === 404 && code === undefined)
    return "it answered 404 without a code, as if a proxy had answered in its place.";
  if (code !== undefined && GONE_OR_GOING.has(code))
    return `the service says ${code}, as if it had been deleted while the app ran. Restore it, or restart the app, which makes an empty one.`;
  if (status === 401 || status === 403) {
    return `access was refused (${answer}). ${accessTo(service, code)}`;
  }
  if (status === 408 || status === 429 || (status !== undefined && status >= 500)) return `it answered ${answer}.`;
  if (error.code === "ENOTFOUND") return `no such account. ${whichAccount(service)}`;
  // An SDK's RestError without a status got no answer. Errors of lower layers carry the system's code, such as
  // ECONNRESET.
  if (status === undefined && (error.name === "RestError" || /^E[A-Z]+$/.test(error.code ?? "")))
    return "no connection.";
  return undefined;
}

/**
 * Says how to give the app access. The firewall answers `AuthorizationFailure`, and so does a missing role at times.
 */
function accessTo({ role, connection }: StorageService, code: string | undefined): string {
  if (connection.kind === "connectionString") {
    return "Check the key in AzureWebJobsStorage, and the clock of this machine. If the account takes no keys, set AzureWebJobsStorage__accountName instead.";
  }
  const { hostname } = new URL(connection.endpoint);
  const firewall =
    code === "AuthorizationFailure" ? " If it has the role, open the account's firewall to the app." : "";
  return `The app's identity needs the role "${role}" on ${hostname} (${grantAccount(hostname, role, connection.clientId)}). Assign it, and wait some minutes until it takes effect.${firewall}`;
}

function whichAccount({ connection }: StorageService): string {
  if (connection.kind === "connectionString")
    return "Set AzureWebJobsStorage to the connection string of an existing one.";
  const { hostname } = new URL(connection.endpoint);
  return `${hostname} does not resolve in DNS. Set AzureWebJobsStorage__accountName (or the service URIs) to an existing one; list them with: ${LIST_ACCOUNTS}`;
}
