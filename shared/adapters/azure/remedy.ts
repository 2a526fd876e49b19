import type { Source } from "../../run/source.ts";

// What a person runs at a shell to mend what the app can't: in bash, zsh or Cloud Shell, in the right subscription. Nothing here needs a
// double quote, so that a line can be copied from a log of JSON as it is.

/** The roles that the app's identity needs, wherever they are assigned. infra/ assigns the same. */
export const ROLES = {
  bus: "Azure Service Bus Data Receiver",
  table: "Storage Table Data Contributor",
  blobs: "Storage Blob Data Owner",
} as const;

/** How every queue and subscription is made; infra/ makes them alike. In the words of ARM, which are those of the CLI's options. */
export const ENTITY_SETTINGS = {
  lockDuration: "PT5M",
  maxDeliveryCount: 2000,
  deadLetteringOnMessageExpiration: true,
} as const;

const OPTIONS = [
  `--lock-duration ${ENTITY_SETTINGS.lockDuration}`,
  `--max-delivery-count ${ENTITY_SETTINGS.maxDeliveryCount}`,
  `--enable-dead-lettering-on-message-expiration ${ENTITY_SETTINGS.deadLetteringOnMessageExpiration}`,
].join(" ");

const NAMESPACE = "Microsoft.ServiceBus/namespaces";
const ACCOUNT = "Microsoft.Storage/storageAccounts";

/** The command that lets somebody receive from a source. `clientId`: the app's; without it the command means whoever runs it. */
export function grantSource(host: string, source: Source, clientId: string | undefined): string {
  const entity =
    "queue" in source
      ? `/queues/${inId(source.queue)}`
      : `/topics/${inId(source.topic)}/subscriptions/${source.subscription}`;
  return grant(
    ROLES.bus,
    `${isOfAzure(host) ? find(nameOf(host), NAMESPACE, "id") : "ID-OF-THE-NAMESPACE"}${entity}`,
    clientId,
  );
}

/** The command that lets somebody use a storage account. */
export function grantAccount(host: string, role: string, clientId: string | undefined): string {
  return grant(role, isOfAzure(host) ? find(nameOf(host), ACCOUNT, "id") : "ID-OF-THE-ACCOUNT", clientId);
}

/** The command that creates a source, as the Dispatcher needs it; undefined where the namespace is no real one, but an emulator's. */
export function createSource(host: string, source: Source): string | undefined {
  if (!isOfAzure(host)) return undefined;
  const name = nameOf(host);
  const where = `--resource-group ${find(name, NAMESPACE, "resourceGroup")} --namespace-name ${name}`;
  if ("queue" in source) return `az servicebus queue create ${where} --name ${source.queue} ${OPTIONS}`;
  const { topic, subscription } = source;
  // Creating a topic that exists changes nothing.
  return `az servicebus topic create ${where} --name ${topic} && az servicebus topic subscription create ${where} --topic-name ${topic} --name ${subscription} ${OPTIONS}`;
}

/** Lists the namespaces there are, for one that does not exist. */
export const LIST_NAMESPACES = "az servicebus namespace list --query '[].serviceBusEndpoint' --output tsv";

/** Lists the storage accounts there are. */
export const LIST_ACCOUNTS = "az storage account list --query '[].name' --output tsv";

function grant(role: string, scope: string, clientId: string | undefined): string {
  const assignee = clientId ?? "$(az ad signed-in-user show --query id --output tsv)";
  return `az role assignment create --role '${role}' --assignee ${assignee} --scope ${scope}`;
}

/** By its name, which is unique in the world: the app knows neither subscription nor resource group. */
function find(name: string, type: string, field: string): string {
  return `$(az resource list --name ${name} --resource-type ${type} --query '[].${field}' --output tsv)`;
}

/** Not an emulator's, and not a domain of somebody's own, which tells no name. */
function isOfAzure(host: string): boolean {
  return /^[a-z\d-]+\.(?:servicebus|(?:blob|table)\.core)\./i.test(host);
}

/** The first label of a host name. */
function nameOf(host: string): string {
  return host.split(".")[0] ?? host;
}

/** Resource ids write the slash of an entity's name as a tilde. */
function inId(entity: string): string {
  return entity.replaceAll("/", "~");
}
