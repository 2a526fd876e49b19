import { createDefaultHttpClient } from "@azure/core-rest-pipeline";
import { TableClient } from "@azure/data-tables";
import { describe, expect, it, onTestFinished } from "vitest";
import { startTableServer } from "../../../local/table-server/start-table-server.ts";
import { makeTableExchange } from "../../../shared/adapters/tables/exchange.ts";
import { makeQueries } from "../../../shared/adapters/tables/queries.ts";
import { startLoopbackServer } from "../../support/loopback-server.ts";

/** A key with each sign that a key may have and that a path, a query or a filter could take for its own. */
const KEY = "it's|50 % of a+b&c=d, ü (x)";

describe("queries", () => {
  it("read each row as the SDK does, one by its keys and all page by page", async () => {
    const { client, queries } = await startTable();
    const written = {
      text: "it's ü",
      count: 7,
      share: 0.5,
      long: 9_007_199_254_740_993n,
      at: new Date("2026-01-02T03:04:05.678Z"),
      flag: true,
      bytes: Buffer.from([0, 255]),
      guid: { type: "Guid", value: "12345678-1234-1234-1234-123456789012" },
    };
    const rowKeys = ["a", "b", KEY];
    for (const rowKey of rowKeys) await client.createEntity({ partitionKey: KEY, rowKey, ...written });

    const row = await queries.row(KEY, KEY, inTime());
    const {
      partitionKey: _,
      rowKey,
      etag,
      timestamp,
      "odata.metadata": __,
      ...columns
    } = await client.getEntity(KEY, KEY);
    expect(row).toEqual({ rowKey, etag, columns });
    expect(timestamp).toBeDefined();
    expect(row.columns).toEqual(written);

    const filter = `PartitionKey eq '${KEY.replaceAll("'", "''")}'`;
    const first = await queries.page({ filter, top: 2 }, undefined, inTime());
    const second = await queries.page({ filter, top: 2 }, first.next, inTime());
    expect([...first.rows, ...second.rows].map((found) => found.rowKey)).toEqual(rowKeys);
    expect(second.rows[0]).toEqual(row);
    expect(second.next).toBeUndefined();

    const selected = await queries.page({ filter, select: ["RowKey", "long"], top: 1 }, undefined, inTime());
    expect(selected.rows).toEqual([{ rowKey: "a", etag: first.rows[0]?.etag, columns: { long: written.long } }]);
  });

  it("fail as the SDK's do where there is no such row", async () => {
    const { client, queries } = await startTable();
    const sdks: unknown = await client.getEntity("p", "r").catch((error: unknown) => error);
    await expect(queries.row("p", "r", inTime())).rejects.toMatchObject({ statusCode: 404, code: "ResourceNotFound" });
    expect(sdks).toMatchObject({ statusCode: 404, details: { odataError: { code: "ResourceNotFound" } } });
  });

  it.each([
    { what: "a page of a proxy", type: "text/html", body: "<p>log in first</p>" },
    { what: "nothing", type: "application/json", body: "" },
    { what: "JSON that is no rows", type: "application/json", body: '{"value":"none"}' },
  ])("take $what for an error, not for an empty page", async ({ type, body }) => {
    const origin = await startLoopbackServer((request, response) => {
      request.resume();
      response.writeHead(200, { "content-type": type }).end(body);
    });
    const queries = queriesOf(clientOf(`TableEndpoint=${origin}/account;SharedAccessSignature=sv=1&sig=secret`));
    await expect(queries.page({ filter: "true", top: 1 }, undefined, inTime())).rejects.toThrow("other than rows");
  });

  it("leave out a column that the service calls null, because the row doesn't have it", async () => {
    const origin = await startLoopbackServer((request, response) => {
      request.resume();
      const row = { RowKey: "a", status: "accepted", dispatchedAt: null, "odata.etag": "1" };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ value: [row] }));
    });
    const queries = queriesOf(clientOf(`TableEndpoint=${origin}/account;SharedAccessSignature=sv=1&sig=secret`));
    const { rows } = await queries.page(
      { filter: "true", select: ["status", "dispatchedAt"], top: 1 },
      undefined,
      inTime(),
    );
    expect(rows).toEqual([{ rowKey: "a", etag: "1", columns: { status: "accepted" } }]);
  });

  it("carry a shared access signature beside their own query", async () => {
    const asked: string[] = [];
    const origin = await startLoopbackServer((request, response) => {
      asked.push(request.url ?? "");
      response.writeHead(200, { "content-type": "application/json" }).end('{"value":[]}');
    });
    const queries = queriesOf(clientOf(`TableEndpoint=${origin}/account;SharedAccessSignature=sv=1&sig=secret`));
    await queries.page({ filter: "RowKey eq 'a'", top: 1 }, undefined, inTime());
    const { pathname, searchParams } = new URL(asked[0] ?? "", origin);
    expect(pathname).toBe("/account/runs()");
    expect(Object.fromEntries(searchParams)).toMatchObject({ sig: "secret", $filter: "RowKey eq 'a'", $top: "1" });
  });
});

function inTime(): AbortSignal {
  return AbortSignal.timeout(5_000);
}

function clientOf(connectionString: string): TableClient {
  const options = { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } };
  return TableClient.fromConnectionString(connectionString, "runs", options);
}

function queriesOf(client: TableClient) {
  return makeQueries(makeTableExchange(client, createDefaultHttpClient(), true));
}

/** A table of the local table server, empty at first. */
async function startTable() {
  const server = await startTableServer();
  onTestFinished(() => server.close());
  const client = clientOf(server.connectionString);
  await client.createTable();
  return { client, queries: queriesOf(client) };
}
