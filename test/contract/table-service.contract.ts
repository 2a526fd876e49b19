import { randomUUID } from "node:crypto";
import { TableClient, type TableEntityResult, TableServiceClient, type TransactionAction } from "@azure/data-tables";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { codeOf, statusOf } from "../../shared/adapters/azure/storage-error.ts";

/** A server of tables, as a test has started it. */
export interface TableService {
  readonly connectionString: string;
  /** The port of the tables' endpoint on 127.0.0.1. */
  readonly tablePort: number;
  close(): Promise<unknown>;
}

/** Checks what the adapter relies on when it talks to a server of tables. */
export function describeTableService(name: string, start: () => Promise<TableService>): void {
  describe(`${name} as a table service`, () => {
    let service: TableService;
    beforeAll(async () => {
      service = await start();
    });
    afterAll(() => service.close());

    let table: TableClient;
    beforeEach(async () => {
      const tableName = `Table${randomUUID().replaceAll("-", "")}`;
      table = TableClient.fromConnectionString(service.connectionString, tableName, { allowInsecureConnection: true });
      await table.createTable();
    });

    const key = (rowKey: string) => ({ partitionKey: "p", rowKey });
    const insert = async (...rowKeys: string[]) => {
      for (const rowKey of rowKeys) await table.createEntity(key(rowKey));
    };
    const found = async (filter: string, select?: string[]): Promise<TableEntityResult<Record<string, unknown>>[]> => {
      const entities: TableEntityResult<Record<string, unknown>>[] = [];
      for await (const entity of table.listEntities({ queryOptions: { filter, ...(select && { select }) } }))
        entities.push(entity);
      return entities;
    };
    const rowKeys = async (filter: string) => (await found(filter)).map(({ rowKey }) => rowKey);
    const refusal = async (act: Promise<unknown>) => {
      const error = await act.then(
        () => undefined,
        (caught: unknown) => caught,
      );
      return { status: statusOf(error), code: codeOf(error), message: error instanceof Error ? error.message : "" };
    };

    it("never brings an ETag back, also not after a delete and an insert at the same key", async () => {
      const etags: (string | undefined)[] = [];
      for (let round = 0; round < 50; round += 1) {
        etags.push((await table.createEntity({ ...key("r"), round })).etag);
        etags.push((await table.updateEntity({ ...key("r"), round }, "Replace")).etag);
        const { subResponses } = await table.submitTransaction([["update", { ...key("r"), round }, "Merge"]]);
        etags.push(subResponses[0]?.etag?.trim());
        await table.deleteEntity("p", "r");
      }
      expect(etags).not.toContain(undefined);
      expect(new Set(etags).size).toBe(150);
    });

    it("refuses the ETag of a row that was deleted and inserted since", async () => {
      const { etag = "" } = await table.createEntity(key("r"));
      await table.deleteEntity("p", "r");
      await table.createEntity(key("r"));
      const changed = { status: 412, code: "UpdateConditionNotSatisfied" };
      expect(await refusal(table.updateEntity(key("r"), "Replace", { etag }))).toMatchObject(changed);
      expect(await refusal(table.deleteEntity("p", "r", { etag }))).toMatchObject(changed);
    });

    it.each<{ what: string; action: TransactionAction; code: string }>([
      { what: "is there", action: ["create", { partitionKey: "p", rowKey: "held" }], code: "EntityAlreadyExists" },
      {
        what: "is missing",
        action: ["update", { partitionKey: "p", rowKey: "none" }, "Replace", { etag: "*" }],
        code: "ResourceNotFound",
      },
      {
        what: "has changed",
        action: ["update", { partitionKey: "p", rowKey: "held" }, "Replace", { etag: `W/"datetime'2020'"` }],
        code: "UpdateConditionNotSatisfied",
      },
      { what: "is in it twice", action: ["create", { partitionKey: "p", rowKey: "a" }], code: "InvalidDuplicateRow" },
    ])("names by its index the operation whose row $what, and does none of the others", async ({ action, code }) => {
      await insert("held");
      const sent = table.submitTransaction([["create", key("a")], ["upsert", key("b")], action, ["create", key("c")]]);
      expect(await refusal(sent)).toMatchObject({ code, message: expect.stringMatching(/^2:/) });
      expect(await rowKeys("PartitionKey eq 'p'")).toEqual(["held"]);
    });

    it("takes 100 operations in a transaction, and no more", async () => {
      const creates = (count: number) =>
        Array.from({ length: count }, (_, n): TransactionAction => ["create", key(`${count}-${n}`)]);
      expect(await refusal(table.submitTransaction(creates(101)))).toMatchObject({ status: 400, code: "InvalidInput" });
      expect((await table.submitTransaction(creates(100))).subResponses).toHaveLength(100);
      expect(await rowKeys("PartitionKey eq 'p'")).toHaveLength(100);
    });

    it("refuses a transaction of more than 4 MiB", async () => {
      const text = "x".repeat(25_000);
      const creates = Array.from(
        { length: 90 },
        (_, n): TransactionAction => ["create", { ...key(`${n}`), a: text, b: text }],
      );
      expect(await refusal(table.submitTransaction(creates))).toMatchObject({ status: 413 });
      expect(await rowKeys("PartitionKey eq 'p'")).toEqual([]);
    });

    it("tells each operation of a transaction the ETag that it made", async () => {
      await insert("a", "b");
      const { subResponses } = await table.submitTransaction([
        ["update", key("a"), "Replace"],
        ["delete", key("b")],
        ["create", key("c")],
        ["upsert", key("d"), "Replace"],
      ]);
      const etags = subResponses.map(({ etag }) => etag?.trim());
      const held = await found("PartitionKey eq 'p'");
      expect(held.map(({ rowKey, etag }) => [rowKey, etag])).toEqual([
        ["a", etags[0]],
        ["c", etags[2]],
        ["d", etags[3]],
      ]);
      expect(etags[1]).toBeUndefined();
    });

    it.each<{ what: string; act: (client: TableClient) => Promise<unknown>; status: number; code: string }>([
      {
        what: "an insert of a row that is there",
        act: (client) => client.createEntity({ partitionKey: "p", rowKey: "held" }),
        status: 409,
        code: "EntityAlreadyExists",
      },
      { what: "a read of no row", act: (client) => client.getEntity("p", "x"), status: 404, code: "ResourceNotFound" },
      {
        what: "a delete of none",
        act: (client) => client.deleteEntity("p", "x"),
        status: 404,
        code: "ResourceNotFound",
      },
      {
        what: "a replacement of none",
        act: (client) => client.updateEntity({ partitionKey: "p", rowKey: "x" }, "Replace"),
        status: 404,
        code: "ResourceNotFound",
      },
      {
        what: "a value over 64 KiB",
        act: (client) => client.createEntity({ partitionKey: "p", rowKey: "x", text: "x".repeat(33_000) }),
        status: 400,
        code: "PropertyValueTooLarge",
      },
      {
        what: "half a filter",
        act: (client) => client.listEntities({ queryOptions: { filter: "PartitionKey eq" } }).next(),
        status: 400,
        code: "InvalidInput",
      },
    ])("refuses $what with $status $code", async ({ act, status, code }) => {
      await insert("held");
      expect(await refusal(act(table))).toMatchObject({ status, code });
    });

    it("says of a table whether it is there", async () => {
      // The SDK takes a table that is there already for made.
      await table.createTable();
      await table.deleteTable();
      const gone = { status: 404, code: "TableNotFound" };
      expect(await refusal(table.getEntity("p", "r"))).toMatchObject(gone);
      expect(await refusal(table.createEntity(key("r")))).toMatchObject(gone);
      expect(await refusal(table.submitTransaction([["create", key("r")]]))).toMatchObject(gone);
      expect(await refusal(rowKeys("PartitionKey eq 'p'"))).toMatchObject(gone);
    });

    it("lists the tables by the names that they were made with", async () => {
      const tables = TableServiceClient.fromConnectionString(service.connectionString, {
        allowInsecureConnection: true,
      });
      const names: (string | undefined)[] = [];
      for await (const { name } of tables.listTables()) names.push(name);
      expect(names).toContain(table.tableName);
    });

    it("gives back values of every type", async () => {
      const columns = {
        text: `'"\\ключ 🔑 \u2028 {}`,
        int: -3,
        double: 1.5,
        long: -(2n ** 63n),
        yes: true,
        at: new Date("2026-01-02T03:04:05.678Z"),
        bytes: new Uint8Array([0, 255]),
        id: { type: "Guid", value: "0b0f7a4e-7f3c-4a53-8f0e-2d7a3b1c9d11" },
      };
      await table.createEntity({ ...key("'r|{}'"), ...columns });
      const held = await table.getEntity("p", "'r|{}'");
      expect(held).toMatchObject({ ...columns, bytes: Buffer.from(columns.bytes) });
    });

    it("keeps other columns on a merge, and drops them on a replace", async () => {
      await table.createEntity({ ...key("r"), a: 1n, b: "kept" });
      await table.updateEntity({ ...key("r"), a: "text" }, "Merge");
      expect(await table.getEntity("p", "r")).toMatchObject({ a: "text", b: "kept" });
      await table.upsertEntity({ ...key("r"), c: 3 }, "Replace");
      expect(await table.getEntity("p", "r")).not.toHaveProperty("b");
    });

    it.each([
      { filter: "RowKey ge 'b' and RowKey lt 'd'", want: ["b", "c"] },
      { filter: "RowKey gt 'b' and RowKey le 'd'", want: ["c", "d"] },
      { filter: "RowKey eq 'c'", want: ["c"] },
      { filter: "RowKey ne 'c' and RowKey ne 'a'", want: ["b", "d"] },
      { filter: "long ge 2L", want: ["b", "c", "d"] },
      { filter: "int lt 2", want: ["a"] },
      { filter: "at lt datetime'2026-01-03T00:00:00.000Z'", want: ["a", "b"] },
      { filter: "isOdd eq true", want: ["a", "c"] },
      { filter: "(text eq 'it''s c' or (text eq 'it''s a' and not (int eq 2)))", want: ["a", "c"] },
      { filter: "onlyA eq 'a'", want: ["a"] },
    ])("finds by $filter", async ({ filter, want }) => {
      for (const [n, rowKey] of ["a", "b", "c", "d"].entries()) {
        const columns = {
          long: BigInt(n + 1),
          int: n + 1,
          at: new Date(Date.UTC(2026, 0, n + 1)),
          isOdd: n % 2 === 0,
          text: `it's ${rowKey}`,
          ...(n === 0 && { onlyA: "a" }),
        };
        await table.createEntity({ ...key(rowKey), ...columns });
        await table.createEntity({ partitionKey: "other", rowKey, ...columns });
      }
      expect(await rowKeys(`PartitionKey eq 'p' and ${filter}`)).toEqual(want);
    });

    it("gives the columns that a query selects", async () => {
      await table.createEntity({ ...key("r"), at: new Date(0), other: 1 });
      const [entity] = await found("PartitionKey eq 'p'", ["rowKey", "at"]);
      expect(entity).toEqual({ rowKey: "r", at: new Date(0), etag: expect.any(String) });
    });

    it("gives pages of 1,000, and goes on where a page ended, whatever was written meanwhile", async () => {
      const all = Array.from({ length: 1200 }, (_, n) => `ключ ${String(n).padStart(4, "0")}`);
      for (let at = 0; at < all.length; at += 100)
        await table.submitTransaction(all.slice(at, at + 100).map((rowKey) => ["create", key(rowKey)]));
      const pages = table.listEntities({ queryOptions: { filter: "PartitionKey eq 'p'" } }).byPage();
      const nextKeys = async () => {
        const page = await pages.next();
        return page.done ? [] : page.value.map(({ rowKey }) => rowKey);
      };
      expect(await nextKeys()).toEqual(all.slice(0, 1000));
      await table.deleteEntity("p", all[1000] ?? "");
      await insert("а before all", "яяя behind all");
      expect(await nextKeys()).toEqual([...all.slice(1001), "яяя behind all"]);
    });
  });
}
