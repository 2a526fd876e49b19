import type { TokenCredential } from "@azure/identity";

/** The identity that this process uses in Azure. */
export interface AzureIdentity {
  readonly credential: TokenCredential;
  /** The identity to which roles are assigned. Undefined means the person who is logged in. */
  readonly clientId: string | undefined;
}

type Identified<C> = C extends { readonly kind: "identity" } ? C & AzureIdentity : C;

/**
 * Finds the identity of this process: workload identity in the cluster, `AZURE_CLIENT_ID` and its kin, or the
 * developer's login.
 */
export function azureIdentity(clientId: string | undefined): AzureIdentity {
  return { credential: loadedOnUse(), clientId };
}

/** The library takes long to load, and connection strings need none of it. */
function loadedOnUse(): TokenCredential {
  let loaded: Promise<TokenCredential> | undefined;
  return {
    async getToken(...args) {
      loaded ??= import("@azure/identity").then(({ DefaultAzureCredential }) => new DefaultAzureCredential());
      return (await loaded).getToken(...args);
    },
  };
}

/** Adds the identity to a connection that needs one. A connection string stays as it is. */
export function withIdentity<C extends { readonly kind: "connectionString" } | { readonly kind: "identity" }>(
  connection: C,
  identity: AzureIdentity,
): Identified<C> {
  const completed = connection.kind === "identity" ? { ...connection, ...identity } : connection;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The compiler can't follow this into a generic.
  return completed as Identified<C>;
}
