import { DefaultAzureCredential, type TokenCredential } from "@azure/identity";

/** Who this process is. */
export interface AzureIdentity {
  readonly credential: TokenCredential;
  /** To which roles are assigned; undefined: to whoever is logged in. */
  readonly clientId: string | undefined;
}

type Identified<C> = C extends { readonly kind: "identity" } ? C & AzureIdentity : C;

/** Who this process is: workload identity in the cluster, `AZURE_CLIENT_ID` and its kin, or the developer's own login. */
export function azureIdentity(clientId: string | undefined): AzureIdentity {
  return { credential: new DefaultAzureCredential(), clientId };
}

/** Completes a connection by identity with that identity. A connection string stays as it is. */
export function withIdentity<C extends { readonly kind: "connectionString" } | { readonly kind: "identity" }>(
  connection: C,
  identity: AzureIdentity,
): Identified<C> {
  const completed = connection.kind === "identity" ? { ...connection, ...identity } : connection;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The compiler cannot follow the line above into a generic.
  return completed as Identified<C>;
}
