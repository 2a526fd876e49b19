import { TableClient } from "@azure/data-tables";
import { describe, expect, it } from "vitest";
import { makeTransactions } from "../../../shared/adapters/tables/transactions.ts";
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
  const transactions = makeTransactions();
  const client = TableClient.fromConnectionString(
    `DefaultEndpointsProtocol=http;AccountName=account;AccountKey=a2V5;TableEndpoint=${origin}/account;`,
    "runs",
    { allowInsecureConnection: true, additionalPolicies: [transactions.policy], retryOptions: { maxRetries: 0 } },
  );
  const insert = (...rowKeys: string[]) =>
    transactions.submit(
      client,
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
    await expect(insert("a", "b")).rejects.toThrow("fewer operations");
  });
});
