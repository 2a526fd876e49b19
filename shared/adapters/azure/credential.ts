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
  return withTimeout({
    async getToken(...args) {
      loaded ??= import("@azure/identity").then(({ DefaultAzureCredential }) => new DefaultAzureCredential());
      return (await loaded).getToken(...args);
    },
  });
}

/** A command of the developer's login may take some ten seconds on a busy machine. */
const TOKEN_TIMEOUT_MS = 30_000;

/**
 * Gives each token some time. The storage SDKs ask for it before their own time begins to count, and the library may wait
 * for ever if nobody answers. Rejects with the library's own error, as if it had no token.
 */
export function withTimeout(credential: TokenCredential, timeoutMs = TOKEN_TIMEOUT_MS): TokenCredential {
  return {
    async getToken(...args) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        const error = new Error(`The identity got no token within ${timeoutMs / 1000} s.`);
        timer = setTimeout(() => reject(Object.assign(error, { name: "CredentialUnavailableError" })), timeoutMs);
      });
      try {
        return await Promise.race([credential.getToken(...args), late]);
      } finally {
        clearTimeout(timer);
      }
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
