import { ConflictError, UnavailableError } from "../../errors.ts";
import { grantAccount, LIST_ACCOUNTS } from "./remedy.ts";
import type { StorageConnection } from "./storage-connection.ts";

/** What the storage SDKs put on their errors, as far as it is looked at. */
interface StorageFailure {
  readonly name: string;
  readonly statusCode?: number;
  readonly code?: string;
  readonly details?: { readonly odataError?: { readonly code?: string }; readonly errorCode?: string };
}

export interface StorageService {
  /** As errors name it: `The table Dispatcher`. */
  readonly name: string;
  /** The role that lets the app do what it does there. */
  readonly role: string;
  readonly connection: StorageConnection;
  readonly timeoutMs: number;
}

/** The status of the service's answer; undefined where none came, or where it was no storage SDK that failed. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error ? (error as Error & StorageFailure).statusCode : undefined;
}

/** The service's own code, such as `TableNotFound`. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { details, code } = error as Error & StorageFailure;
  return details?.odataError?.code ?? details?.errorCode ?? code;
}

/** Somebody else was first: the row exists, has changed, or is gone. A table or container that is gone is no such thing. */
function isConflict(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined && GONE_OR_GOING.has(code)) return false;
  const status = statusOf(error);
  return status === 409 || status === 412 || status === 404;
}

/** What passes by itself becomes an UnavailableError that says what to look at; what somebody else won, a ConflictError; the rest stays. */
export function translated(error: unknown, doing: string, service: StorageService): unknown {
  if (!(error instanceof Error)) return error;
  if (isConflict(error)) {
    return new ConflictError(`${service.name}: ${doing}: somebody else was first.`, { cause: error });
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
 * Whether another request would have fared no better: the service or its table is away, or busy, or lets the app do nothing. A plain 500 may
 * be one row's doing.
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

/** Errors of a credential that got no token. */
const NO_TOKEN = /^(?:CredentialUnavailable|AggregateAuthentication|Authentication|AuthenticationRequired)Error$/;

/** Why the failure may pass by itself, or undefined. */
function passing(error: Error & StorageFailure, service: StorageService): string | undefined {
  const status = error.statusCode;
  const code = codeOf(error);
  const answer = code === undefined ? `${status}` : `${status} ${code}`;
  if (NO_TOKEN.test(error.name)) return "no token could be had for the app's identity.";
  if (error.name === "AbortError" || error.name === "TimeoutError") return `no answer within ${service.timeoutMs} ms.`;
  if (code !== undefined && GONE_OR_GOING.has(code))
    return `the service says ${code}. Was it deleted while the app ran?`;
  if (status === 401 || status === 403) {
    return `access was refused (${answer}). ${accessTo(service, code)}`;
  }
  if (status === 408 || status === 429 || (status !== undefined && status >= 500)) return `it answered ${answer}.`;
  if (error.code === "ENOTFOUND") return `there is no such account, as far as DNS knows. ${whichAccount(service)}`;
  // The SDK's own code for a request that got no answer; lower layers carry the system's.
  if (status === undefined && (error.name === "RestError" || /^E[A-Z]+$/.test(error.code ?? "")))
    return "no connection.";
  return undefined;
}

/** What gives the app access. `AuthorizationFailure` is the firewall's word, whoever asks. */
function accessTo({ role, connection }: StorageService, code: string | undefined): string {
  if (connection.kind === "connectionString") {
    return "Is the key in AzureWebJobsStorage the account's? Where the account takes no keys at all, set AzureWebJobsStorage__accountName instead.";
  }
  const { hostname } = new URL(connection.endpoint);
  const firewall = code === "AuthorizationFailure" ? " And the account's firewall has to let the app in." : "";
  return `The app's identity needs the role "${role}" on ${hostname} (${grantAccount(hostname, role, connection.clientId)}); a new role takes some minutes.${firewall}`;
}

function whichAccount({ connection }: StorageService): string {
  if (connection.kind === "connectionString") return "Look at AzureWebJobsStorage.";
  return `${new URL(connection.endpoint).hostname} comes from AzureWebJobsStorage__accountName, or the service URIs: put one there that there is (${LIST_ACCOUNTS}).`;
}
