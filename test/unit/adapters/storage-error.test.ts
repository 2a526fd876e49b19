import { describe, expect, it } from "vitest";
import { type StorageService, translated } from "../../../shared/adapters/azure/storage-error.ts";
import { UnavailableError } from "../../../shared/errors.ts";

const identity: StorageService = {
  name: "The blob store",
  role: "Storage Blob Data Owner",
  connection: {
    kind: "identity",
    endpoint: "https://acme.blob.core.windows.net",
    credential: { getToken: () => Promise.resolve(null) },
    clientId: "1234",
  },
  timeoutMs: 10_000,
};
const byKey: StorageService = { ...identity, connection: { kind: "connectionString", value: "AccountKey=secret" } };
const failed = (fields: object) => Object.assign(new Error("what the SDK said"), { name: "RestError" }, fields);

describe("an error of the storage SDKs", () => {
  it.each([
    {
      name: "a missing role",
      thrown: failed({ statusCode: 403, code: "AuthorizationPermissionMismatch" }),
      says: "The app's identity needs the role \"Storage Blob Data Owner\" on acme.blob.core.windows.net (az role assignment create --role 'Storage Blob Data Owner' --assignee 1234 --scope $(az resource list --name acme ",
      saysNot: "firewall",
    },
    {
      name: "a firewall, or a missing role",
      thrown: failed({ statusCode: 403, code: "AuthorizationFailure" }),
      says: "open the account's firewall to the app",
    },
    {
      name: "an account that takes no keys",
      service: byKey,
      thrown: failed({ statusCode: 403, code: "KeyBasedAuthenticationNotPermitted" }),
      says: "set AzureWebJobsStorage__accountName instead",
      saysNot: "az role assignment",
    },
    {
      name: "an account that is not there",
      thrown: failed({ code: "ENOTFOUND" }),
      says: "no such account. acme.blob.core.windows.net does not resolve in DNS. Set AzureWebJobsStorage__accountName (or the service URIs) to an existing one; list them with: az storage account list ",
    },
    {
      name: "an account that is not there, by its connection string",
      service: byKey,
      thrown: failed({ code: "ENOTFOUND" }),
      says: "Set AzureWebJobsStorage to the connection string of an existing one.",
    },
    { name: "no connection", thrown: failed({ code: "ECONNREFUSED" }), says: "no connection" },
  ])("says in one line what to do: $name", ({ thrown, says, saysNot = "secret", service = identity }) => {
    const error = translated(thrown, "asking", service);
    expect(error).toBeInstanceOf(UnavailableError);
    const message = error instanceof Error ? error.message : "";
    expect(message).toContain(says);
    expect(message).not.toContain("\n");
    expect(message).not.toContain(saysNot);
  });
});
