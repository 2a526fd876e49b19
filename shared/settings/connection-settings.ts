import { BUS_TRANSPORT, isOverWebSockets } from "./bus-transport.ts";
import type { SettingReader } from "./setting-reader.ts";

type ServiceBusAddress =
  | { readonly kind: "connectionString"; readonly value: string }
  | { readonly kind: "identity"; readonly fullyQualifiedNamespace: string };

/** How to reach the bus: by a connection string, or by the app's own identity. */
export type ServiceBusSettings = ServiceBusAddress & {
  /** Whether AMQP goes within a WebSocket, on port 443. */
  readonly webSockets: boolean;
};

/**
 * How to reach a storage account's tables or blobs. `endpoint` is such as `https://<account>.table.core.windows.net`.
 */
export type StorageSettings =
  | { readonly kind: "connectionString"; readonly value: string }
  | { readonly kind: "identity"; readonly endpoint: string };

/** Reads how to reach the bus. Notes a problem if two ways are set, or none. */
export function readServiceBus(read: SettingReader): ServiceBusSettings {
  const webSockets = isOverWebSockets(read.optional(BUS_TRANSPORT));
  if (webSockets === undefined) read.refuse(BUS_TRANSPORT, "AmqpTcp or AmqpWebSockets");
  checkHostsNames(read);
  return { ...readServiceBusAddress(read), webSockets: webSockets ?? false };
}

/** Notes a problem if a host would take the triggers' connection from elsewhere: it prefers these names. */
function checkHostsNames(read: SettingReader): void {
  for (const name of ["ServiceBus", "ServiceBus__fullyQualifiedNamespace"] as const) {
    const preferred = read.ofHost(`AzureWebJobs${name}`);
    if (preferred !== undefined && preferred !== read.optional(name))
      read.problem(
        `AzureWebJobs${name} is set, and says something else than ${name}; remove it, because the triggers might listen to one namespace while messages are settled in the other`,
      );
  }
}

/** Checks the URL of the proxy, because the SDKs fail on a wrong one without naming it. */
export function checkProxy(read: SettingReader): void {
  const value = read.optional("HTTPS_PROXY");
  if (value !== undefined && !(/^https?:\/\/[^/]/.test(value) && URL.canParse(value)))
    read.refuse("HTTPS_PROXY", "the URL of a proxy, such as http://proxy.acme.example:3128");
}

function readServiceBusAddress(read: SettingReader): ServiceBusAddress {
  const value = read.optional("ServiceBus");
  const namespace = read.optional("ServiceBus__fullyQualifiedNamespace");
  if (value !== undefined && namespace !== undefined)
    read.problem(
      "ServiceBus and ServiceBus__fullyQualifiedNamespace are both set; remove one, because the triggers might listen to one namespace while messages are settled in the other",
    );
  if (namespace !== undefined) {
    const host = /^[a-z\d][a-z\d-]*(\.[a-z\d][a-z\d-]*)+$/i;
    read.matching("ServiceBus__fullyQualifiedNamespace", host, "a host name, such as acme.servicebus.windows.net");
    return { kind: "identity", fullyQualifiedNamespace: namespace };
  }
  if (value === undefined) {
    read.problem(
      "ServiceBus is missing; write a connection string, or the namespace's host name in ServiceBus__fullyQualifiedNamespace",
    );
    return { kind: "connectionString", value: "" };
  }
  const parts = connectionStringParts(value);
  const hasKey = parts.has("sharedaccesskeyname") && parts.has("sharedaccesskey");
  if (!parts.get("endpoint")?.startsWith("sb://") || !(hasKey || parts.has("sharedaccesssignature")))
    read.refuse(
      "ServiceBus",
      "Endpoint=sb://NAMESPACE.servicebus.windows.net/;SharedAccessKeyName=NAME;SharedAccessKey=KEY",
    );
  if (parts.has("entitypath"))
    read.refuse("ServiceBus", "the namespace's connection string, without EntityPath: modules name the entities");
  return { kind: "connectionString", value };
}

/**
 * Reads how to reach the storage account. Notes a problem if two ways are set, or none. The name of the account may
 * stand beside its service URIs, because some versions of the Functions host need it there.
 */
export function readStorage(read: SettingReader): { tables: StorageSettings; blobs: StorageSettings } {
  const value = read.optional("AzureWebJobsStorage");
  const account = read.optional("AzureWebJobsStorage__accountName");
  const byUri = read.optional(TABLES) !== undefined || read.optional(BLOBS) !== undefined;
  const byIdentity = [
    ...(account === undefined ? [] : ["AzureWebJobsStorage__accountName"]),
    ...(byUri ? ["AzureWebJobsStorage__blobServiceUri / __tableServiceUri"] : []),
  ];
  if (value === undefined && byIdentity.length === 0)
    read.problem(
      "AzureWebJobsStorage is missing; write a connection string, or the account's name in AzureWebJobsStorage__accountName",
    );
  if (value !== undefined && byIdentity.length > 0)
    read.problem(
      `${["AzureWebJobsStorage", ...byIdentity].join(" and ")} are set together; keep one, because the rows might be in one account and the host's own state in the other`,
    );
  if (value !== undefined) {
    const connection = readStorageString(read, value);
    return { tables: connection, blobs: connection };
  }
  if (account !== undefined)
    read.matching("AzureWebJobsStorage__accountName", /^[a-z\d]{3,24}$/, "3 to 24 lower-case letters and digits");
  // The Functions host prefers the URIs too.
  if (byUri) return { tables: readServiceUri(read, TABLES, account), blobs: readServiceUri(read, BLOBS, account) };
  return {
    tables: { kind: "identity", endpoint: `https://${account}.table.core.windows.net` },
    blobs: { kind: "identity", endpoint: `https://${account}.blob.core.windows.net` },
  };
}

const TABLES = "AzureWebJobsStorage__tableServiceUri";
const BLOBS = "AzureWebJobsStorage__blobServiceUri";

/** The host of a service as Azure names it, in any of its clouds. It begins with the account's name. */
const AZURE_SERVICE = /^([a-z\d]{3,24})(?:-secondary)?\.(?:z\d+\.)?(?:blob|table)\./;

function readServiceUri(
  read: SettingReader,
  name: typeof TABLES | typeof BLOBS,
  account: string | undefined,
): StorageSettings {
  const found = read.optional(name);
  if (found === undefined) {
    read.problem(`${name} is missing; write it, because the two service URIs go together`);
    return { kind: "identity", endpoint: "" };
  }
  const allowed = "a URL without a signature, such as https://acme.blob.core.windows.net";
  read.matching(name, /^https:\/\/[^\s?]+$/, allowed);
  // A domain of one's own does not tell the account.
  const host = URL.canParse(found) ? new URL(found).hostname : "";
  const named = AZURE_SERVICE.exec(host)?.[1] ?? account;
  if (account !== undefined && named !== account)
    read.problem(
      `AzureWebJobsStorage__accountName is ${account}, but ${name} names the account ${named}; write the same account in both, because the rows might be in one account and the host's own state in the other`,
    );
  return { kind: "identity", endpoint: found.replace(/\/+$/, "") };
}

function readStorageString(read: SettingReader, value: string): StorageSettings {
  // The blob client accepts it in this spelling only.
  if (/^UseDevelopmentStorage=true;?$/i.test(value))
    return { kind: "connectionString", value: "UseDevelopmentStorage=true" };
  const parts = connectionStringParts(value);
  // A shared access signature could not sign the URLs by which Jobs read large bodies.
  if (!parts.has("accountname") || !parts.has("accountkey"))
    read.refuse(
      "AzureWebJobsStorage",
      "UseDevelopmentStorage=true, or a connection string with AccountName and AccountKey",
    );
  return { kind: "connectionString", value };
}

/** Reads the parts by their names in lower case. A value may hold `=`, because keys are base64. */
function connectionStringParts(text: string): Map<string, string> {
  const parts = text.split(";").map((part) => /^\s*([^=]+?)\s*=\s*(.+?)\s*$/.exec(part));
  return new Map(parts.flatMap((part) => (part ? [[(part[1] ?? "").toLowerCase(), part[2] ?? ""]] : [])));
}
