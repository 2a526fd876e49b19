import { text } from "node:stream/consumers";
import { createDefaultHttpClient } from "@azure/core-rest-pipeline";
import { TableClient } from "@azure/data-tables";
import { describe, expect, it, onTestFinished } from "vitest";
import { startTableServer } from "../../../local/table-server/start-table-server.ts";
import { makeTableExchange } from "../../../shared/adapters/tables/exchange.ts";
import { makeTransactions, refusedStep, type Step } from "../../../shared/adapters/tables/transactions.ts";
import { startLoopbackServer } from "../../support/loopback-server.ts";

/** A table service that answers every transaction as `steps` say, one part each. */
async function startService(steps: readonly string[]) {
  const parts = steps.map((step) => `--changesetresponse_1\r\nContent-Type: application/http\r\n\r\n${step}\r\n`);
  const origin = await startLoopbackServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(202, { "content-type": "multipart/mixed; boundary=batchresponse_1" });
      response.end(`--batchresponse_1\r\n\r\n${parts.join("")}--changesetresponse_1--\r\n--batchresponse_1--\r\n`);
    });
  });
  const client = TableClient.fromConnectionString(
    `DefaultEndpointsProtocol=http;AccountName=account;AccountKey=a2V5;TableEndpoint=${origin}/account;`,
    "runs",
    { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } },
  );
  const submit = makeTransactions(makeTableExchange(client, createDefaultHttpClient(), true));
  const insert = (...rowKeys: string[]) =>
    submit(
      rowKeys.map((rowKey) => ({ kind: "create", row: { partitionKey: "p", rowKey } })),
      AbortSignal.timeout(5_000),
    );
  return { insert };
}

describe("a transaction", () => {
  it("gives the rows' new ETags, in their order", async () => {
    const { insert } = await startService(["HTTP/1.1 204 \r\nETag: W/1\r\n", "HTTP/1.1 204 \r\nETag: W/2\r\n"]);
    expect(await insert("a", "b")).toEqual(["W/1", "W/2"]);
  });

  it.each([
    { says: "no more than the status", step: "HTTP/1.1 412 Precondition Failed\r\n" },
    { says: "why in HTML", step: "HTTP/1.1 412 Precondition Failed\r\nContent-Type: text/html\r\n\r\n<p>no</p>" },
    {
      says: "why in JSON of several lines",
      step: 'HTTP/1.1 412 Precondition Failed\r\n\r\n{\r\n"odata.error": {"code": "UpdateConditionNotSatisfied"}\r\n}',
    },
    {
      says: "why in JSON",
      step: 'HTTP/1.1 412 Precondition Failed\r\n\r\n{"odata.error":{"code":"UpdateConditionNotSatisfied"}}',
    },
  ])("is refused where one of its rows is, by an answer that says $says", async ({ step }) => {
    const { insert } = await startService([step]);
    await expect(insert("a")).rejects.toMatchObject({ statusCode: 412 });
    await expect(insert("a", "b")).rejects.toMatchObject({ statusCode: 412 });
  });

  it("is refused where the service answers fewer rows than it has", async () => {
    const { insert } = await startService(["HTTP/1.1 204 \r\nETag: W/1\r\n"]);
    await expect(insert("a", "b")).rejects.toThrow("answered 1 operations of a transaction of 2");
  });

  it("writes values of every type as the SDK reads them, under any key", async () => {
    const { client, submit } = await startTable();
    const row = {
      partitionKey: "it's|a partition",
      rowKey: "a 'row' + ключ %2F",
      text: "'\"\\ \u2028\u2029 {} \r\n--changeset_1",
      count: 7,
      half: 0.5,
      yes: true,
      long: 9_007_199_254_740_993n,
      time: new Date("2026-01-02T03:04:05.678Z"),
      bytes: new Uint8Array([0, 255]),
      guid: { type: "Guid", value: "c9da6455-213d-42c9-9a79-3e9149a57833" },
    };
    const [created = ""] = await submit([{ kind: "create", row }]);
    expect(await client.getEntity(row.partitionKey, row.rowKey)).toMatchObject({ ...row, bytes: expect.anything() });
    const [merged = ""] = await submit([{ kind: "merge", row: { ...keysOf(row), count: 8 }, etag: created }]);
    expect(await client.getEntity(row.partitionKey, row.rowKey)).toMatchObject({ etag: merged, count: 8, yes: true });
    const [replaced = ""] = await submit([{ kind: "replace", row: { ...keysOf(row), count: 9 }, etag: merged }]);
    const left = await client.getEntity(row.partitionKey, row.rowKey);
    expect(left).toMatchObject({ etag: replaced, count: 9 });
    expect(left).not.toHaveProperty("yes");
  });

  it("deletes a row only if its ETag is still the one given", async () => {
    const { client, submit } = await startTable();
    const row = { partitionKey: "p", rowKey: "r" };
    const [old = ""] = await submit([{ kind: "create", row }]);
    const [etag = ""] = await submit([{ kind: "replace", row: { ...row, count: 1 }, etag: old }]);
    await expect(submit([{ kind: "delete", row, etag: old }])).rejects.toMatchObject({ statusCode: 412 });
    expect(await client.getEntity("p", "r")).toMatchObject({ count: 1 });
    expect(await submit([{ kind: "delete", row, etag }])).toEqual([""]);
    await expect(client.getEntity("p", "r")).rejects.toMatchObject({ statusCode: 404 });
  });

  it("names the row that was refused, and does nothing of it", async () => {
    const { client, submit } = await startTable();
    const row = (rowKey: string) => ({ partitionKey: "p", rowKey });
    await submit([{ kind: "create", row: row("b") }]);
    const steps = ["a", "b", "c"].map((rowKey) => ({ kind: "create", row: row(rowKey) }) as const);
    const refused: unknown = await submit(steps).catch((error: unknown) => error);
    expect(refused).toMatchObject({ statusCode: 409, code: "EntityAlreadyExists" });
    expect(refusedStep(refused)).toBe(1);
    await expect(client.getEntity("p", "a")).rejects.toMatchObject({ statusCode: 404 });
  });

  it("carries a shared access signature in the request, and in none of its steps", async () => {
    const asked: string[] = [];
    const origin = await startLoopbackServer((request, response) => {
      asked.push(request.url ?? "");
      void text(request).then((body) => {
        asked.push(body);
        response.writeHead(403).end();
      });
    });
    const client = TableClient.fromConnectionString(
      `TableEndpoint=${origin}/account;SharedAccessSignature=sv=1&sig=secret`,
      "runs",
      { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } },
    );
    const submit = makeTransactions(makeTableExchange(client, createDefaultHttpClient(), true));
    const steps = [{ kind: "create", row: { partitionKey: "p", rowKey: "r" } }] as const;
    await expect(submit(steps, AbortSignal.timeout(5_000))).rejects.toMatchObject({ statusCode: 403 });
    expect(asked).toEqual([
      "/account/$batch?sv=1&sig=secret",
      expect.stringContaining(`POST ${origin}/account/runs HTTP`),
    ]);
    expect(asked[1]).not.toContain("secret");
  });
});

function keysOf({ partitionKey, rowKey }: { readonly partitionKey: string; readonly rowKey: string }) {
  return { partitionKey, rowKey };
}

/** A table of the local table server, empty at first. */
async function startTable() {
  const server = await startTableServer();
  onTestFinished(() => server.close());
  const client = TableClient.fromConnectionString(server.connectionString, "runs", { allowInsecureConnection: true });
  await client.createTable();
  const submit = makeTransactions(makeTableExchange(client, createDefaultHttpClient(), true));
  return { client, submit: (steps: readonly Step[]) => submit(steps, AbortSignal.timeout(5_000)) };
}
