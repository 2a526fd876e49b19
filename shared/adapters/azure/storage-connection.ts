import type { TokenCredential } from "@azure/identity";

/** How to reach a storage account's tables or blobs: by a key, or as somebody. `endpoint`: `https://<account>.table.core.windows.net`. */
export type StorageConnection =
  | { readonly kind: "connectionString"; readonly value: string }
  | {
      readonly kind: "identity";
      readonly endpoint: string;
      readonly credential: TokenCredential;
      /** To which roles are assigned, for advice in errors; undefined: to whoever is logged in. */
      readonly clientId?: string | undefined;
    };
