import { odata, TableClient } from "@azure/data-tables";
import { describe, expect, it } from "vitest";
import { startTableServer, withTablesAt } from "../../local/table-server/start-table-server.ts";
import { describeAzureTable } from "../contract/azure-table.contract.ts";
import { describeTableService } from "../contract/table-service.contract.ts";

async function start() {
  const server = await startTableServer();
  return { connectionString: server.connectionString, tablePort: server.port, close: () => server.close() };
}

describeTableService("the local table server", start);
describeAzureTable("the local table server", start);

describe("the local table server", () => {
  it("is seeded without requests, and counts requests and the rows that they write and read", async () => {
    const server = await startTableServer();
    const table = TableClient.fromConnectionString(server.connectionString, "Seeded", {
      allowInsecureConnection: true,
    });
    const row = (n: number) => ({ partitionKey: "p", rowKey: String(n).padStart(6, "0") });
    const seeds = Array.from({ length: 5000 }, (_, n) => ({
      ...row(n),
      columns: { long: BigInt(n), at: new Date(n), text: `row ${n}`, none: undefined },
    }));
    server.seed("Seeded", seeds);
    expect(server.counts()).toEqual({ requests: 0, written: 0, read: 0 });

    const filter = odata`PartitionKey eq ${"p"} and RowKey ge ${"002000"} and RowKey lt ${"003500"}`;
    const found: unknown[] = [];
    for await (const { rowKey, long, at, text } of table.listEntities({ queryOptions: { filter } }))
      found.push({ partitionKey: "p", rowKey, columns: { long, at, text, none: undefined } });
    expect(found).toEqual(seeds.slice(2000, 3500));
    expect(server.counts()).toEqual({ requests: 2, written: 0, read: 1500 });

    await table.submitTransaction([
      ["delete", row(0)],
      ["update", row(1), "Replace"],
    ]);
    await table.deleteEntity("p", row(2).rowKey);
    await expect(table.deleteEntity("p", row(2).rowKey)).rejects.toThrow(/ResourceNotFound/);
    expect(server.counts()).toEqual({ requests: 5, written: 3, read: 1500 });
    await server.close();
  });

  it.each([
    { what: "the service's properties", method: "GET", path: "?restype=service&comp=properties" },
    { what: "who may use a table", method: "GET", path: "/Held?comp=acl" },
    { what: "some of the tables", method: "GET", path: "/Tables?$filter=TableName%20eq%20'Held'" },
    { what: "one table", method: "GET", path: "/Tables('Held')" },
    { what: "a delete of all entities", method: "DELETE", path: "/Held" },
    { what: "a method that no table knows", method: "OPTIONS", path: "/Held(PartitionKey='p',RowKey='r')" },
  ])("answers NotImplemented to a request for $what", async ({ method, path }) => {
    const server = await startTableServer();
    server.seed("Held", []);
    const answer = await fetch(server.endpoint + path, { method });
    expect(answer.status).toBe(501);
    expect(await answer.json()).toMatchObject({ "odata.error": { code: "NotImplemented" } });
    await server.close();
  });

  it("takes the place of the tables of another storage, and leaves its blobs there", () => {
    const storage = "AccountName=a;BlobEndpoint=http://127.0.0.1:1/a;TableEndpoint=http://127.0.0.1:2/a";
    expect(withTablesAt("http://127.0.0.1:3/local", storage)).toBe(
      "AccountName=a;BlobEndpoint=http://127.0.0.1:1/a;TableEndpoint=http://127.0.0.1:3/local",
    );
  });
});
