import type { TokenCredential } from "@azure/identity";

/**
 * How to reach a storage account's tables or blobs: by key or by identity. `endpoint` is such as
 * `https://<account>.table.core.windows.net`.
 */
export type StorageConnection =
  | { readonly kind: "connectionString"; readonly value: string }
  | {
      readonly kind: "identity";
      readonly endpoint: string;
      readonly credential: TokenCredential;
      /** The identity to which errors advise to assign a role. Undefined means the person who is logged in. */
      readonly clientId?: string | undefined;
    };
