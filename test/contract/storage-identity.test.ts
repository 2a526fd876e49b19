import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GetTokenOptions, TokenCredential } from "@azure/identity";
import { generate } from "selfsigned";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite/start-azurite.ts";
import { makeBlobPayloadStore } from "../../shared/adapters/blobs/payload-store.ts";
import { makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../shared/clock.ts";
import { UnavailableError } from "../../shared/errors.ts";
import { aRun, closing } from "../support/a-run.ts";
import { openRuns } from "../support/open-runs.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
let directory: string;
let azurite: Azurite;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "identity-"));
  const [certFile, keyFile] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  const { cert, private: key } = await generate([{ name: "commonName", value: "127.0.0.1" }], {
    extensions: [{ name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] }],
  });
  await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
  azurite = await startAzurite({ tls: { certFile, keyFile } });
  // No other way is left, because the SDKs make agents of their own, out of a test's reach, and Node reads its extra
  // certificates only when it starts.
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await azurite.close();
  await rm(directory, { recursive: true });
});

/** A credential whose tokens Azurite takes. It records the scopes that it was asked for. */
function makeCredential(claims: Record<string, unknown> = {}) {
  const asked: (string | string[])[] = [];
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    aud: "https://storage.azure.com",
    iss: "https://sts.windows.net/tenant/",
    iat: now,
    nbf: now - 60,
    exp: now + 3600,
  };
  const token = `${part({ alg: "none", typ: "JWT" })}.${part({ ...payload, oid: "me", tid: "tenant", ...claims })}.x`;
  const credential: TokenCredential = {
    async getToken(scopes: string | string[], _options?: GetTokenOptions) {
      asked.push(scopes);
      return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
    },
  };
  return { credential, asked: () => asked.flat() };
}

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

const statusOf = async (url: string, method = "GET") => (await fetch(url, { method })).status;

const tableAs = (credential: TokenCredential, tableName = "runs") =>
  makeAzureTable({
    connection: { kind: "identity", endpoint: azurite.tableEndpoint, credential },
    tableName,
    instance: "dispatcher",
    clock: systemClock,
    timeoutMs: 2_000,
  });
const storeAs = (credential: TokenCredential, clock = systemClock) =>
  makeBlobPayloadStore({
    connection: { kind: "identity", endpoint: azurite.blobEndpoint, credential },
    instance: "dispatcher",
    clock,
  });

describe("the Azure table, with an identity", () => {
  it("does all its work with a token for storage", async () => {
    const { credential, asked } = makeCredential();
    const table = tableAs(credential);
    const stored = await table.insert(aRun());
    const updated = await table.update(stored, { ...stored.run, status: "settling" });
    expect((await openRuns(table, aRun().source)).map(({ run }) => run.status)).toEqual(["settling"]);
    await table.close(updated, closing(updated.run));
    expect(await table.find(aRun())).toMatchObject({ kind: "closed" });
    expect(new Set(asked())).toEqual(new Set(["https://storage.azure.com/.default"]));
  });

  it("says which role is missing if the token is refused", async () => {
    const { credential } = makeCredential({ aud: "https://vault.azure.net" });
    await expect(tableAs(credential).find(aRun())).rejects.toThrow(/40[13].*"Storage Table Data Contributor"/);
  });

  it("says that it is unavailable if the credential gets no token", async () => {
    const credential: TokenCredential = {
      getToken: () => Promise.reject(Object.assign(new Error("no endpoint"), { name: "CredentialUnavailableError" })),
    };
    await expect(tableAs(credential).find(aRun())).rejects.toThrow(UnavailableError);
    await expect(tableAs(credential).find(aRun())).rejects.toThrow(/no token/);
  });
});

describe("Azure Blob, with an identity", () => {
  it("stores, signs with a delegated key for https alone, and deletes", async () => {
    const { credential, asked } = makeCredential();
    const store = storeAs(credential);
    await store.verify();
    await store.putBody(aRun(), Buffer.from("x"));
    const url = await store.signedBodyUrl(aRun(), 3_600_000);
    expect(Object.fromEntries(new URL(url).searchParams)).toMatchObject({
      sp: "r",
      sr: "b",
      spr: "https",
      skoid: expect.any(String),
    });
    expect(await statusOf(url)).toBe(200);
    expect(await statusOf(url, "DELETE")).toBe(403);
    expect(await statusOf(url.replace(/sig=[^&]+/, "sig=AAAA"))).toBe(403);
    await store.deleteBody(aRun());
    expect(await statusOf(url)).toBe(404);
    expect(new Set(asked())).toEqual(new Set(["https://storage.azure.com/.default"]));
  });

  it("gives a body's plain URL, which lets nobody read it but who has a token", async () => {
    const { credential } = makeCredential();
    const store = storeAs(credential);
    await store.putBody(aRun(), Buffer.from("x"));
    const url = await store.bodyUrl(aRun());
    expect(url).not.toContain("?");
    expect(await statusOf(url)).toBeGreaterThanOrEqual(400);
    const { token } = (await credential.getToken("https://storage.azure.com/.default")) ?? {};
    const headers = { authorization: `Bearer ${token}`, "x-ms-version": "2022-11-02" };
    expect(await (await fetch(url, { headers })).text()).toBe("x");
    await store.deleteBody(aRun());
  });

  it("asks for a delegation key once, and again only when it ends too early", async () => {
    let now = Date.now();
    const store = storeAs(makeCredential().credential, { ...systemClock, now: () => now });
    const keyOf = async (validForMs: number) => {
      const { searchParams } = new URL(await store.signedBodyUrl(aRun(), validForMs));
      return { ends: searchParams.get("ske"), urlEnds: Date.parse(searchParams.get("se") ?? "") };
    };
    const first = await keyOf(60_000);
    expect((await keyOf(6 * DAY_MS)).ends).toBe(first.ends);
    now += 5 * DAY_MS;
    expect((await keyOf(DAY_MS)).ends).toBe(first.ends);
    const second = await keyOf(2 * DAY_MS);
    expect(second.ends).not.toBe(first.ends);
    expect(second.urlEnds).toBeGreaterThanOrEqual(now + 2 * DAY_MS - 1000);
  });

  it("signs for no longer than a delegated key can last", async () => {
    const before = Date.now();
    const { searchParams } = new URL(await storeAs(makeCredential().credential).signedBodyUrl(aRun(), 30 * DAY_MS));
    const ends = Date.parse(searchParams.get("se") ?? "");
    expect(ends).toBeGreaterThan(before + 6.9 * DAY_MS);
    expect(ends).toBeLessThanOrEqual(Date.parse(searchParams.get("ske") ?? ""));
  });

  it("says which role is missing if the token is refused", async () => {
    const { credential } = makeCredential({ aud: "https://vault.azure.net" });
    await expect(storeAs(credential).verify()).rejects.toThrow(/40[13].*"Storage Blob Data Owner"/);
  });
});
