/** A principal that signs in with a secret, and the subscription that it deploys into. */
export interface SignIn {
  readonly subscriptionId: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

const NAMES = {
  subscriptionId: "AZURE_SUBSCRIPTION_ID",
  tenantId: "AZURE_TENANT_ID",
  clientId: "AZURE_CLIENT_ID",
  clientSecret: "AZURE_CLIENT_SECRET",
} as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the principal. Throws an Error that names the variables that are missing. */
export function readSignIn(env: Environment): SignIn {
  const missing = Object.values(NAMES).filter((name) => !env[name]);
  if (missing.length > 0)
    throw new Error(`Set ${missing.join(", ")} in the environment or in private.env.
They name a principal that is Owner of the subscription. Make one for the time of the check with:
az ad sp create-for-rbac --name dispatcher-check --role Owner --scopes /subscriptions/SUBSCRIPTION`);
  const read = (name: keyof typeof NAMES) => env[NAMES[name]] ?? "";
  return {
    subscriptionId: read("subscriptionId"),
    tenantId: read("tenantId"),
    clientId: read("clientId"),
    clientSecret: read("clientSecret"),
  };
}

/** The environment without the principal, for programs that need no secret. */
export function withoutSignIn(env: Environment): Record<string, string> {
  const names = new Set<string>(Object.values(NAMES));
  const others = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || names.has(name) ? [] : [[name, value] as const],
  );
  return Object.fromEntries(others);
}
