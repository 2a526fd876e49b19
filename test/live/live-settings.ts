import { join } from "node:path";
import { privateEnvironment } from "../../local/kit/private-environment.ts";
import { ROOT } from "../support/run-program.ts";

/** A principal that signs in with a secret, and the namespace that it may manage. */
export interface AzureSettings {
  readonly kind: "azure";
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly fullyQualifiedNamespace: string;
  /** The command that gives the principal its role, for a person who sees it refused. */
  readonly grant: string;
}

/** Which bus the live tests run on: a real one, the local one, or none, and why. */
export type LiveSettings = AzureSettings | { readonly kind: "local" } | { readonly kind: "none"; readonly why: string };

const NEEDED = [
  "AZURE_TENANT_ID",
  "AZURE_CLIENT_ID",
  "AZURE_CLIENT_SECRET",
  "AZURE_SUBSCRIPTION_ID",
  "AZURE_RESOURCE_GROUP",
  "AZURE_SERVICEBUS_NAMESPACE",
] as const;

/** The settings of `private.env`, overridden by the environment. */
export function liveEnvironment(
  env: Readonly<Record<string, string | undefined>> = process.env,
  file = join(ROOT, "private.env"),
): Readonly<Record<string, string | undefined>> {
  return privateEnvironment(env, file);
}

/** Reads where to run. `TEST_SERVICEBUS=local` takes the local broker, to try the tests themselves. */
export function readLiveSettings(env = liveEnvironment()): LiveSettings {
  if (env["TEST_SERVICEBUS"] === "local") return { kind: "local" };
  const missing = NEEDED.filter((name) => !env[name]);
  if (missing.length > 0)
    return { kind: "none", why: `set ${missing.join(", ")} in the environment or in private.env` };
  const [tenantId = "", clientId = "", clientSecret = "", subscription = "", group = "", given = ""] = NEEDED.map(
    (name) => env[name],
  );
  const [namespace = ""] = given.split(".");
  const scope = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.ServiceBus/namespaces/${namespace}`;
  return {
    kind: "azure",
    tenantId,
    clientId,
    clientSecret,
    fullyQualifiedNamespace: given.includes(".") ? given : `${given}.servicebus.windows.net`,
    grant: `az role assignment create --role "Azure Service Bus Data Owner" --assignee ${clientId} --scope ${scope}`,
  };
}

/** Says in the tests' titles where they run, or why they are skipped. */
export function describeLive(settings: LiveSettings): string {
  if (settings.kind === "none") return `skipped: ${settings.why}`;
  return settings.kind === "azure" ? `on ${settings.fullyQualifiedNamespace}` : "on the local broker";
}
