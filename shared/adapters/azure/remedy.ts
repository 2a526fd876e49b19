import { MAX_DELIVERIES } from "../../run/retry-policy.ts";
import type { Source } from "../../run/source.ts";

// Commands for a person who mends what the app can't. They run in bash, zsh or Cloud Shell, in the right subscription.
// None needs a double quote, so that it can be copied as it is out of a log in JSON.

/** The roles that the app's identity needs. infra/ assigns the same. */
export const ROLES = {
  bus: "Azure Service Bus Data Receiver",
  table: "Storage Table Data Contributor",
  blobs: "Storage Blob Data Owner",
} as const;

/** The role of those who send. infra/ assigns it to senderPrincipalIds. */
export const SENDER = "Azure Service Bus Data Sender";

/** The settings of every queue and subscription, as ARM and the options of `az` name them. infra/ uses the same. */
export const ENTITY_SETTINGS = {
  lockDuration: "PT5M",
  maxDeliveryCount: MAX_DELIVERIES,
  deadLetteringOnMessageExpiration: true,
} as const;

const OPTIONS = [
  `--lock-duration ${ENTITY_SETTINGS.lockDuration}`,
  `--max-delivery-count ${ENTITY_SETTINGS.maxDeliveryCount}`,
  `--enable-dead-lettering-on-message-expiration ${ENTITY_SETTINGS.deadLetteringOnMessageExpiration}`,
].join(" ");

const NAMESPACE = "Microsoft.ServiceBus/namespaces";
const ACCOUNT = "Microsoft.Storage/storageAccounts";

/**
 * Gives the command that lets an identity receive from a source. Without a `clientId` it lets the person who runs it.
 */
export function grantSource(host: string, source: Source, clientId: string | undefined): string {
  const entity =
    "queue" in source
      ? `/queues/${inId(source.queue)}`
      : `/topics/${inId(source.topic)}/subscriptions/${source.subscription}`;
  return grant(ROLES.bus, `${idOfNamespace(host)}${entity}`, clientId);
}

/** Gives the command that lets the person who runs it send to every queue and topic of a namespace. */
export function grantSending(host: string): string {
  return grant(SENDER, idOfNamespace(host), undefined);
}

/**
 * Gives the command that lets an identity use a storage account. Without a `clientId` it lets the person who runs it.
 */
export function grantAccount(host: string, role: string, clientId: string | undefined): string {
  return grant(role, isOfAzure(host) ? find(nameOf(host), ACCOUNT, "id") : "ID-OF-THE-ACCOUNT", clientId);
}

/**
 * Gives the command that creates a source with the settings that it needs. Undefined for a namespace that isn't
 * Azure's, such as an emulator's.
 */
export function createSource(host: string, source: Source): string | undefined {
  if (!isOfAzure(host)) return undefined;
  const name = nameOf(host);
  const where = `--resource-group ${find(name, NAMESPACE, "resourceGroup")} --namespace-name ${name}`;
  if ("queue" in source) return `az servicebus queue create ${where} --name ${source.queue} ${OPTIONS}`;
  const { topic, subscription } = source;
  // Creating a topic that exists already changes nothing.
  return `az servicebus topic create ${where} --name ${topic} && az servicebus topic subscription create ${where} --topic-name ${topic} --name ${subscription} ${OPTIONS}`;
}

/** Gives the command that lists the queues and topics of a namespace. Undefined as for `createSource`. */
export function listEntities(host: string): string | undefined {
  if (!isOfAzure(host)) return undefined;
  const where = `--resource-group ${find(nameOf(host), NAMESPACE, "resourceGroup")} --namespace-name ${nameOf(host)}`;
  return ["queue", "topic"]
    .map((kind) => `az servicebus ${kind} list ${where} --query '[].name' --output tsv`)
    .join(" && ");
}

/** The command that lists the existing namespaces. */
export const LIST_NAMESPACES = "az servicebus namespace list --query '[].serviceBusEndpoint' --output tsv";

/** The command that lists the existing storage accounts. */
export const LIST_ACCOUNTS = "az storage account list --query '[].name' --output tsv";

function idOfNamespace(host: string): string {
  return isOfAzure(host) ? find(nameOf(host), NAMESPACE, "id") : "ID-OF-THE-NAMESPACE";
}

function grant(role: string, scope: string, clientId: string | undefined): string {
  const assignee = clientId ?? "$(az ad signed-in-user show --query id --output tsv)";
  return `az role assignment create --role '${role}' --assignee ${assignee} --scope ${scope}`;
}

/**
 * Finds a resource by its name, which is unique in Azure, because the app knows neither subscription nor resource
 * group.
 */
function find(name: string, type: string, field: string): string {
  return `$(az resource list --name ${name} --resource-type ${type} --query '[].${field}' --output tsv)`;
}

/** Whether a host name is Azure's own. An emulator's, or a custom domain, does not begin with the resource's name. */
function isOfAzure(host: string): boolean {
  return /^[a-z\d-]+\.(?:servicebus|(?:blob|table)\.core)\./i.test(host);
}

/** Takes the resource's name, the first label, from a host name. */
function nameOf(host: string): string {
  return host.split(".")[0] ?? host;
}

/** Writes an entity's name as a resource id does, with a tilde for each slash. */
function inId(entity: string): string {
  return entity.replaceAll("/", "~");
}
