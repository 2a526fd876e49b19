import { DefaultAzureCredential, type TokenCredential } from "@azure/identity";

type Credentialled<C> = C extends { readonly kind: "identity" } ? C & { readonly credential: TokenCredential } : C;

/** Who this process is: workload identity in the cluster, `AZURE_CLIENT_ID` and its kin, or the developer's own login. */
export function azureCredential(): TokenCredential {
  return new DefaultAzureCredential();
}

/** Completes a connection by identity with that identity. A connection string stays as it is. */
export function withCredential<C extends { readonly kind: "connectionString" } | { readonly kind: "identity" }>(
  connection: C,
  credential: TokenCredential,
): Credentialled<C> {
  const completed = connection.kind === "identity" ? { ...connection, credential } : connection;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The compiler cannot follow the line above into a generic.
  return completed as Credentialled<C>;
}
