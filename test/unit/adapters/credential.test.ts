import { expect, it } from "vitest";
import { withTimeout } from "../../../shared/adapters/azure/credential.ts";
import { type StorageService, translated } from "../../../shared/adapters/azure/storage-error.ts";
import { UnavailableError } from "../../../shared/errors.ts";

it("counts a token that nobody gives as none, so that what waits for it is tried again", async () => {
  const silent = { getToken: () => new Promise<never>(() => {}) };
  const error = await withTimeout(silent, 20)
    .getToken("scope")
    .catch((caught: unknown) => caught);
  const connection = { kind: "identity", endpoint: "https://a", credential: silent, clientId: undefined } as const;
  const service: StorageService = { name: "The table", role: "r", connection, timeoutMs: 1_000 };
  expect(translated(error, "asking", service)).toBeInstanceOf(UnavailableError);
});

it("gives a token that comes in time", async () => {
  const token = { token: "t", expiresOnTimestamp: 1 };
  expect(await withTimeout({ getToken: () => Promise.resolve(token) }).getToken("scope")).toBe(token);
});
