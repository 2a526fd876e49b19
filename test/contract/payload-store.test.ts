import { randomUUID } from "node:crypto";
import { BlobServiceClient } from "@azure/storage-blob";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Azurite, startAzurite } from "../../local/azurite/start-azurite.ts";
import { type BlobPayloadStoreOptions, makeBlobPayloadStore } from "../../shared/adapters/blobs/payload-store.ts";
import { systemClock } from "../../shared/clock.ts";
import { ConfigError, UnavailableError } from "../../shared/errors.ts";
import { aRun } from "../support/a-run.ts";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import { makeFakePayloadStore } from "../support/fake-payload-store.ts";
import { describePayloadStore } from "./payload-store.contract.ts";

let azurite: Azurite;
beforeAll(async () => {
  azurite = await startAzurite();
});
afterAll(() => azurite.close());

const optionsFor = (over: Partial<BlobPayloadStoreOptions> = {}): BlobPayloadStoreOptions => ({
  connection: { kind: "connectionString", value: azurite.connectionString },
  instance: "dispatcher",
  clock: systemClock,
  payloadContainer: `p${randomUUID()}`,
  logContainer: `l${randomUUID()}`,
  ...over,
});

describePayloadStore("the fake", async () => {
  const store = makeFakePayloadStore({ clock: systemClock });
  return {
    store,
    read: async (url) => store.bodies.get(decodeURIComponent(new URL(url).pathname.split("/")[1] ?? "")),
  };
});

describePayloadStore("Azure Blob", async () => ({
  store: makeBlobPayloadStore(optionsFor()),
  async read(url) {
    const response = await fetch(url);
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return new Uint8Array(await response.arrayBuffer());
  },
}));

describe("Azure Blob", () => {
  it("signs a URL for reading this one blob, and for no longer than asked", async () => {
    const now = systemClock.now();
    const store = makeBlobPayloadStore(optionsFor({ clock: { ...systemClock, now: () => now } }));
    await store.putBody(aRun(), Buffer.from("x"));
    const url = new URL(await store.signedBodyUrl(aRun(), 3_600_000));
    expect(url.pathname).toMatch(/\/dispatcher\/q\/thumbnails\/0{18}42-1767225600000\/body$/);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({ sp: "r", sr: "b" });
    expect(Date.parse(url.searchParams.get("st") ?? "")).toBeLessThanOrEqual(now - 300_000 + 1000);
    expect(Math.abs(Date.parse(url.searchParams.get("se") ?? "") - now - 3_600_000)).toBeLessThanOrEqual(1000);
    expect((await fetch(url, { method: "DELETE" })).status).toBe(403);
    expect((await fetch(url)).status).toBe(200);
  });

  it("signs URLs that stop working when their time is over", async () => {
    const past = { ...systemClock, now: () => Date.now() - 3_600_000 };
    const store = makeBlobPayloadStore(optionsFor({ clock: past }));
    await store.putBody(aRun(), Buffer.from("x"));
    expect((await fetch(await store.signedBodyUrl(aRun(), 60_000))).status).toBe(403);
  });

  it("keeps the blobs of two instances apart", async () => {
    const options = optionsFor();
    const [a, b] = ["a", "a/q"].map((instance) => makeBlobPayloadStore({ ...options, instance }));
    await a?.putBody(aRun(), Buffer.from("x"));
    expect((await fetch((await b?.signedBodyUrl(aRun(), 60_000)) ?? "")).status).toBe(404);
  });

  it("serves a log as plain text in UTF-8", async () => {
    const options = optionsFor();
    const url = await makeBlobPayloadStore(options).putLog(aRun(), 1, "main", Buffer.from("ключ 🔑\n"));
    const account = BlobServiceClient.fromConnectionString(azurite.connectionString);
    const name = decodeURIComponent(new URL(url).pathname.split("/").slice(3).join("/"));
    const blob = account.getContainerClient(options.logContainer ?? "").getBlobClient(name);
    expect(await blob.getProperties()).toMatchObject({ contentType: "text/plain; charset=utf-8" });
    expect((await blob.downloadToBuffer()).toString()).toBe("ключ 🔑\n");
    expect((await fetch(url)).ok).toBe(false);
  });

  it("refuses a connection string that it could not sign with", () => {
    const value = `BlobEndpoint=${azurite.blobEndpoint};SharedAccessSignature=sv=2022-11-02&sig=x`;
    expect(() => makeBlobPayloadStore(optionsFor({ connection: { kind: "connectionString", value } }))).toThrow(
      ConfigError,
    );
  });

  it("says that it is unavailable, and names the key if it is refused", async () => {
    const proxy = await startCuttingProxy(azurite.blobPort);
    const value = azurite.connectionString.replace(`:${azurite.blobPort}/`, `:${proxy.port}/`);
    const store = makeBlobPayloadStore(optionsFor({ connection: { kind: "connectionString", value } }));
    await store.verify();
    proxy.answerNext(1, 403);
    await expect(store.putBody(aRun(), Buffer.from("x"))).rejects.toThrow(/the key in AzureWebJobsStorage/);
    proxy.answerNext(10, 503, { "retry-after": "7" });
    await expect(store.putBody(aRun(), Buffer.from("x"))).rejects.toMatchObject({
      name: "UnavailableError",
      message: expect.stringContaining("503"),
    });
    proxy.answerNext(1, 409, { "x-ms-error-code": "BlobImmutableDueToPolicy" });
    await expect(store.putBody(aRun(), Buffer.from("x"))).rejects.toMatchObject({
      name: "UnavailableError",
      message: expect.stringContaining("409 BlobImmutableDueToPolicy"),
    });
    proxy.answerNext(0, 200);
    await store.putBody(aRun(), Buffer.from("x"));
    await proxy.close();
    await expect(store.verify()).rejects.toThrow(UnavailableError);
  });
});
