import { randomUUID } from "node:crypto";
import { TableClient } from "@azure/data-tables";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { deadRow, runRow, workRow } from "../../shared/adapters/tables/keys.ts";
import { writeMark, writeOpenRun } from "../../shared/adapters/tables/run-entity.ts";
import { type AzureTableOptions, type BadRow, makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { type Clock, type Reading, systemClock } from "../../shared/clock.ts";
import { ConflictError, UnavailableError } from "../../shared/errors.ts";
import { queued } from "../../shared/run/change-run.ts";
import { nameOfRun } from "../../shared/run/dead-letter.ts";
import { aRun, closing, T0 } from "../support/a-run.ts";
import { type CuttingProxy, startCuttingProxy } from "../support/cutting-proxy.ts";
import { openRun, openRuns } from "../support/open-runs.ts";
import { makeTestClock } from "../support/test-clock.ts";
import { describeActionLog } from "./action-log.contract.ts";
import { describeInstanceTable } from "./instance-table.contract.ts";
import { describeRedriveRows } from "./redrive-rows.contract.ts";
import { describeRowCheck } from "./row-check.contract.ts";
import { describeRunPlaces } from "./run-places.contract.ts";
import { describeRunSearch } from "./run-search.contract.ts";
import { describeRunTable } from "./run-table.contract.ts";
import type { TableService } from "./table-service.contract.ts";

/** Checks the adapter of Azure Tables against one server of tables. */
export function describeAzureTable(name: string, start: () => Promise<TableService>): void {
  let service: TableService;
  beforeAll(async () => {
    service = await start();
  });
  afterAll(() => service.close());

  const freshName = () => `runs${randomUUID().replaceAll("-", "")}`;
  const optionsFor = (over: Partial<AzureTableOptions> = {}): AzureTableOptions => ({
    connection: { kind: "connectionString", value: service.connectionString },
    tableName: freshName(),
    instance: "dispatcher",
    clock: systemClock,
    ...over,
  });
  const rawClient = (tableName: string) =>
    TableClient.fromConnectionString(service.connectionString, tableName, { allowInsecureConnection: true });

  const make = async (clock: Clock) => makeAzureTable(optionsFor({ clock }));
  describeRunTable(`the Azure table on ${name}`, make);
  describeRunPlaces(`the Azure table on ${name}`, make);
  describeRunSearch(`the Azure table on ${name}`, make);
  describeRedriveRows(`the Azure table on ${name}`, make);
  describeRowCheck(`the Azure table on ${name}`, make);
  describeInstanceTable(`the Azure table on ${name}`, make);
  describeActionLog(`the Azure table on ${name}`, make);

  describe(`the Azure table on ${name}`, () => {
    /** A table in which a run is closed, and the row of its dead letter was deleted. */
    const withoutItsLetter = async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      const run = aRun();
      const verdict = { outcome: "failed", reason: "JobFailed" } as const;
      await table.close(await table.insert(run), closing(run, { status: "failed", verdict }));
      const [noted] = await table.deadLetters(run.source, {}, 9);
      if (!noted) throw new Error("no letter is noted");
      await rawClient(options.tableName).deleteEntity("dispatcher|q|thumbnails", deadRow(noted));
      const earlier = async () => {
        const found = (await table.letterRuns(run.source, [run])).get(nameOfRun(run));
        if (found?.kind !== "closed") throw new Error("the run is missing");
        return found;
      };
      const { etag: _, ...letter } = noted;
      return { table, run, letter, earlier, next: queued({ ...run, redrive: 1 }, T0) };
    };

    it("notes a dead letter again whose row somebody deleted, so that it is in the lists until it is claimed", async () => {
      const { table, run, letter, earlier, next } = await withoutItsLetter();
      await table.noteLetter(await earlier(), letter);
      expect(await table.deadLetters(run.source, {}, 9)).toMatchObject([letter]);
      await table.claim(next, await earlier());
      expect(await table.deadLetters(run.source, {}, 9)).toEqual([]);
    });

    it("lets one of many claim a dead letter whose row somebody deleted", async () => {
      const { table, run, letter, earlier, next } = await withoutItsLetter();
      const before = await earlier();
      const claims = await Promise.allSettled(Array.from({ length: 4 }, () => table.claim(next, before)));
      expect(claims.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const refusals = claims.flatMap((claim) => (claim.status === "rejected" ? [claim.reason] : []));
      expect(refusals.filter((reason) => !(reason instanceof ConflictError))).toEqual([]);
      await expect(table.noteLetter(before, letter)).rejects.toThrow(ConflictError);
      expect(await table.find(next)).toMatchObject({ kind: "open" });
      expect(await table.deadLetters(run.source, {}, 9)).toEqual([]);
    });

    it("keeps the runs of two instances in one table apart", async () => {
      const tableName = freshName();
      const tables = ["a|b", "a", "A", "a_7cb"].map((instance) => makeAzureTable(optionsFor({ tableName, instance })));
      for (const [n, table] of tables.entries()) {
        await table.registerSource({ queue: `q${n}` });
        await table.insert(aRun({ messageId: `m-${n}`, source: { queue: "b|q" } }));
      }
      for (const [n, table] of tables.entries()) {
        expect(await table.sources()).toEqual([{ queue: `q${n}` }]);
        expect((await openRuns(table, { queue: "b|q" })).map(({ run }) => run.messageId)).toEqual([`m-${n}`]);
      }
      expect(new Set(await Promise.all(tables.map((table) => table.owner()))).size).toBe(tables.length);
    });

    it("keeps two sources apart whose names would join to the same text", async () => {
      const table = makeAzureTable(optionsFor());
      const [a, b] = [
        { topic: "a|b", subscription: "c" },
        { topic: "a", subscription: "b|c" },
      ];
      await table.insert(aRun({ source: a }));
      expect(await openRuns(table, b)).toEqual([]);
      await table.insert(aRun({ source: b }));
    });

    it("names the same owner in every process, also where all start at once", async () => {
      const tableName = freshName();
      const owners = Array.from({ length: 6 }, () => makeAzureTable(optionsFor({ tableName })).owner());
      expect(new Set(await Promise.all(owners)).size).toBe(1);
    });

    it("lists 1,100 open runs, page by page, in order", async () => {
      const table = makeAzureTable(optionsFor());
      const numbers = Array.from({ length: 1100 }, (_, n) => n + 1);
      for (let at = 0; at < numbers.length; at += 50) {
        await Promise.all(numbers.slice(at, at + 50).map((sequenceNumber) => table.insert(aRun({ sequenceNumber }))));
      }
      expect((await openRuns(table, aRun().source)).map(({ run }) => run.sequenceNumber)).toEqual(numbers);
    });

    it("purges more runs than a transaction holds", async () => {
      const table = makeAzureTable(optionsFor());
      for (let sequenceNumber = 1; sequenceNumber <= 120; sequenceNumber += 1) {
        const run = aRun({ sequenceNumber });
        await table.close(await table.insert(run), closing(run));
      }
      expect(await table.purge(aRun().source, T0 + 1e9, 1000)).toBe(120);
      expect(await table.find(aRun({ sequenceNumber: 120 }))).toEqual({ kind: "none" });
    });

    it("purges runs that an older release began, and of the others all that was noted of them", async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      const raw = rawClient(options.tableName);
      const partitionKey = "dispatcher|q|thumbnails";
      await table.owner();
      const failed = { status: "failed", verdict: { outcome: "failed", reason: "JobFailed" } } as const;
      for (let sequenceNumber = 1; sequenceNumber <= 60; sequenceNumber += 1) {
        const run = aRun({ sequenceNumber, correlationId: "c" });
        if (sequenceNumber % 3 === 0) {
          await raw.createEntity({ ...writeOpenRun(run), partitionKey, rowKey: workRow(run) });
          await raw.createEntity({ ...writeMark(run), partitionKey, rowKey: runRow(run) });
        } else await table.insert(run);
        await table.close(await openRun(table, run), closing(run, sequenceNumber % 2 === 0 ? failed : {}));
      }
      expect(await table.withMessageId(aRun().source, "m-1", 1_000)).toHaveLength(40);
      expect(await table.deadLetters(aRun().source, {}, 1_000)).toHaveLength(30);
      expect(await table.purge(aRun().source, T0 + 1e9, 1_000)).toBe(30);
      await table.purgeLetters(aRun().source, await table.deadLetters(aRun().source, {}, 1_000));
      const keys: string[] = [];
      for await (const { rowKey = "" } of raw.listEntities()) keys.push(rowKey);
      expect(keys).toEqual(["owner"]);
    });

    it.each([
      { kind: "msg", isDead: false },
      { kind: "corr", isDead: false },
      { kind: "msg", isDead: true },
      { kind: "dead", isDead: true },
      { kind: "run", isDead: true },
    ])(
      "purges a run, dead-lettered: $isDead, whose $kind row was deleted by hand, and the others",
      async ({ kind, isDead }) => {
        const options = optionsFor();
        const table = makeAzureTable(options);
        const raw = rawClient(options.tableName);
        for (const sequenceNumber of [1, 2, 3]) {
          const run = aRun({ sequenceNumber, correlationId: "c" });
          const verdict = { outcome: "failed", reason: "JobFailed" } as const;
          await table.close(await table.insert(run), closing(run, isDead ? { status: "failed", verdict } : {}));
        }
        const letters = await table.deadLetters(aRun().source, {}, 9);
        for await (const { partitionKey = "", rowKey = "" } of raw.listEntities())
          if (rowKey.startsWith(`${kind}|`) && rowKey.includes("|00000000000000000002|"))
            await raw.deleteEntity(partitionKey, rowKey);
        expect(await table.purge(aRun().source, T0 + 1e9, 9)).toBe(isDead ? 0 : 3);
        await table.purgeLetters(aRun().source, letters);
        const keys: string[] = [];
        for await (const { rowKey = "" } of raw.listEntities()) keys.push(rowKey);
        // If the run's own row is gone, only the dead letter's tells of it.
        const left = keys.map((key) => key.split("|")[0] ?? "");
        expect(left.toSorted()).toEqual(kind === "run" ? ["corr", "msg"] : []);
      },
    );

    it("purges no run that was opened again meanwhile, nor what was noted of it", async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      const lost = closing(aRun(), { status: "lost", verdict: { outcome: "lost" } });
      await table.close(await table.insert(aRun()), lost);
      const late = makeAzureTable(options);
      const found = await table.find(aRun());
      if (found.kind !== "closed") throw new Error("not closed");
      const purging = late.purge(aRun().source, T0 + 1e9, 9);
      const reopening = table.reopen(found, aRun()).then(
        () => true,
        () => false,
      );
      const [purged, isOpen] = await Promise.all([purging, reopening]);
      expect(purged).toBe(isOpen ? 0 : 1);
      expect(await table.withMessageId(aRun().source, "m-1", 9)).toHaveLength(isOpen ? 1 : 0);
    });

    it("takes a run again whose rows were purged by a release that knows no search", async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      const verdict = { outcome: "failed", reason: "JobFailed" } as const;
      const failed = closing(aRun(), { status: "failed", verdict });
      await table.close(await table.insert(aRun()), failed);
      await rawClient(options.tableName).deleteEntity("dispatcher|q|thumbnails", runRow(aRun()));
      await table.close(await table.insert(aRun()), failed);
      expect(await table.withMessageId(aRun().source, "m-1", 9)).toHaveLength(1);
      expect(await table.deadLetters(aRun().source, {}, 9)).toHaveLength(1);
    });

    it("keeps two ids apart that have one hash", async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      await table.insert(aRun());
      const raw = rawClient(options.tableName);
      for await (const { partitionKey = "", rowKey = "" } of raw.listEntities())
        if (rowKey.startsWith("msg|")) await raw.updateEntity({ partitionKey, rowKey, id: "another" }, "Merge");
      expect(await table.withMessageId(aRun().source, "m-1", 9)).toEqual([]);
    });

    it("passes over a note that can't be read, and reports it", async () => {
      const bad: BadRow[] = [];
      const options = optionsFor({ onBadRow: (row) => bad.push(row) });
      const table = makeAzureTable(options);
      const verdict = { outcome: "failed", reason: "JobFailed" } as const;
      for (const sequenceNumber of [1, 2]) {
        const run = aRun({ sequenceNumber });
        await table.close(await table.insert(run), closing(run, { status: "failed", verdict }));
      }
      const raw = rawClient(options.tableName);
      for await (const { partitionKey = "", rowKey = "" } of raw.listEntities())
        if (rowKey.includes("|00000000000000000001|"))
          await raw.updateEntity({ partitionKey, rowKey, enqueuedAt: "no date" }, "Merge");
      const { source } = aRun();
      const numbers = (found: readonly { sequenceNumber: number }[]) => found.map((one) => one.sequenceNumber);
      expect(numbers(await table.withMessageId(source, "m-1", 9))).toEqual([2]);
      expect(numbers(await table.deadLetters(source, {}, 1))).toEqual([2]);
      expect(numbers(await table.closedRuns(source, T0, 1))).toEqual([2]);
      expect(bad.map(({ rowKey }) => rowKey.split("|")[0])).toEqual(["msg", "dead", "run"]);
    });

    it.each([
      { what: "a column of the wrong type", column: { attempt: "three" }, problem: /attempt/ },
      { what: "an unknown status", column: { status: "asleep" }, problem: /status/ },
      { what: "another run's number", column: { sequenceNumber: 7n }, problem: /sequenceNumber/ },
      { what: "half an end", column: { endReason: "JobFailed" }, problem: /endKind/ },
    ])("passes over a row with $what, and reports it", async ({ column, problem }) => {
      const bad: BadRow[] = [];
      const options = optionsFor({ onBadRow: (row) => bad.push(row) });
      const table = makeAzureTable(options);
      for (const sequenceNumber of [1, 2, 3]) await table.insert(aRun({ sequenceNumber }));
      const row = { partitionKey: "dispatcher|q|thumbnails", rowKey: workRow(aRun({ sequenceNumber: 2 })) };
      await rawClient(options.tableName).updateEntity({ ...row, ...column }, "Merge");
      expect((await openRuns(table, aRun().source)).map(({ run }) => run.sequenceNumber)).toEqual([1, 3]);
      expect(bad).toEqual([{ ...row, problem: expect.stringMatching(problem) }]);
    });

    it.each(["{", "[5]", '[["soon","accepted",1]]'])(
      "reads a run whose timeline is %s as if it had none",
      async (timeline) => {
        const options = optionsFor();
        const table = makeAzureTable(options);
        await table.insert(aRun());
        const row = { partitionKey: "dispatcher|q|thumbnails", rowKey: workRow(aRun()) };
        await rawClient(options.tableName).updateEntity({ ...row, timeline }, "Merge");
        expect((await openRuns(table, aRun().source)).map(({ run }) => run)).toEqual([aRun()]);
      },
    );

    it("carries a column that it does not know through every change of a run", async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      const raw = rawClient(options.tableName);
      const partitionKey = "dispatcher|q|thumbnails";
      const { source } = aRun();
      await table.insert(aRun());
      const added = { mood: "good", since: new Date(T0), weight: 7n };
      await raw.updateEntity({ partitionKey, rowKey: workRow(aRun()), ...added }, "Merge");
      const held = async (rowKey: string) => {
        const { mood, since, weight } = await raw.getEntity(partitionKey, rowKey);
        return { mood, since, weight };
      };
      let [stored] = (await table.atWork(source)).runs;
      if (!stored) throw new Error("not listed");
      expect(stored.run).toEqual(aRun());
      stored = await table.update(stored, { ...stored.run, attempt: 2 });
      expect(await held(stored.row)).toEqual(added);
      stored = await table.update(stored, { ...stored.run, status: "waiting" });
      expect(await held(stored.row)).toEqual(added);
      const [inLine] = await table.line(source, "thumbnail", 1);
      if (!inLine) throw new Error("not in line");
      await table.close(inLine, closing(inLine.run, { status: "lost", verdict: { outcome: "lost" } }));
      expect(await held(runRow(aRun()))).toEqual(added);
      const found = await table.find(aRun());
      if (found.kind !== "closed") throw new Error("not closed");
      const reopened = await table.reopen(found, aRun());
      expect(await held(reopened.row)).toEqual(added);
      await table.close(await table.update(reopened, reopened.run), closing(aRun()));
      expect(await held(runRow(aRun()))).toEqual(added);
    });

    it("gives the row of a held run, and no other, a version that the first release leaves alone", async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      const client = rawClient(options.tableName);
      const versionOf = async (row: string) => (await client.getEntity("dispatcher|q|thumbnails", row))["version"];
      const stored = await table.insert(aRun({ status: "held" }));
      expect(await versionOf(stored.row)).toBe(2);
      const released = await table.update(stored, { ...stored.run, status: "waiting" });
      expect(await versionOf(released.row)).toBe(1);
      expect(await versionOf(runRow(aRun()))).toBe(1);
    });

    it.each([
      { where: "at work", status: "dispatched", newer: ["thumbnail"] },
      { where: "in line", status: "waiting", newer: [] },
    ] as const)("leaves the row of a newer release alone: $where", async ({ status, newer }) => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      const stored = await table.insert(aRun({ status }));
      await table.insert(aRun({ status, sequenceNumber: 43 }));
      const key = { partitionKey: "dispatcher|q|thumbnails", rowKey: stored.row };
      await rawClient(options.tableName).updateEntity({ ...key, version: 99, status: "thinking" }, "Merge");
      const { source } = aRun();
      expect(await table.find(aRun())).toEqual({ kind: "newer" });
      expect((await openRuns(table, source)).map(({ run }) => run.sequenceNumber)).toEqual([43]);
      expect((await table.atWork(source)).newer).toEqual(newer);
      expect((await table.slotsAtWork(source)).newer).toEqual(newer);
      await expect(table.insert(aRun())).rejects.toThrow(ConflictError);
    });

    it("moves the rows of before to where they belong, whether they are listed or looked for", async () => {
      const options = optionsFor();
      const raw = rawClient(options.tableName);
      const partitionKey = "dispatcher|q|thumbnails";
      await makeAzureTable(options).owner();
      const runs = [
        aRun({ sequenceNumber: 1 }),
        aRun({ sequenceNumber: 2, status: "waiting" }),
        aRun({ sequenceNumber: 3, status: "waiting", notBefore: Date.now() + 60_000 }),
        aRun({ sequenceNumber: 4, status: "settling" }),
      ];
      for (const run of runs) {
        const { version: _, ...columns } = writeOpenRun(run);
        const { version: __, ...mark } = writeMark(run);
        const rowKey = `open|${String(run.sequenceNumber).padStart(20, "0")}`;
        await raw.createEntity({ ...columns, partitionKey, rowKey });
        await raw.createEntity({ ...mark, partitionKey, rowKey: runRow(run) });
      }
      const [first] = runs;
      if (!first) throw new Error("no run");
      const table = makeAzureTable(options);
      expect(await table.find(first)).toMatchObject({ kind: "open", stored: { run: first } });
      const both = await Promise.all([table.atWork(first.source), makeAzureTable(options).atWork(first.source)]);
      for (const { runs: atWork } of both) expect(atWork.map(({ run }) => run.sequenceNumber)).toEqual([1, 4]);
      expect((await table.line(first.source, "thumbnail", 9)).map(({ run }) => run)).toEqual([runs[1]]);
      expect(await table.later(first.source, 9)).toEqual({ due: [], others: true });
      for (const run of runs) expect(await table.find(run)).toMatchObject({ kind: "open", stored: { run } });
      const keys: string[] = [];
      for await (const { rowKey = "" } of raw.listEntities()) keys.push(rowKey.split("|")[0] ?? "");
      expect(keys.toSorted()).toEqual("later owner run run run run wait work work".split(" "));
    });

    it("moves a row of before that is written later, at once if it is looked for, and within ten minutes if not", async () => {
      const clock = makeTestClock();
      const options = optionsFor({ clock });
      const raw = rawClient(options.tableName);
      const table = makeAzureTable(options);
      expect((await table.atWork(aRun().source)).runs).toEqual([]);
      for (const run of [aRun({ sequenceNumber: 1 }), aRun({ sequenceNumber: 2 })]) {
        const { version: _, ...columns } = writeOpenRun(run);
        const { version: __, ...mark } = writeMark(run);
        const partitionKey = "dispatcher|q|thumbnails";
        const rowKey = `open|${String(run.sequenceNumber).padStart(20, "0")}`;
        await raw.createEntity({ ...columns, partitionKey, rowKey });
        await raw.createEntity({ ...mark, partitionKey, rowKey: runRow(run) });
      }
      const listed = async () => (await table.atWork(aRun().source)).runs.map(({ run }) => run.sequenceNumber);
      expect(await table.find(aRun({ sequenceNumber: 2 }))).toMatchObject({ kind: "open" });
      expect(await listed()).toEqual([2]);
      clock.advance(600_001);
      expect(await listed()).toEqual([1, 2]);
    });

    it("says which row is missing where it was deleted by hand", async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      await table.insert(aRun());
      await rawClient(options.tableName).deleteEntity("dispatcher|q|thumbnails", workRow(aRun()));
      await expect(table.find(aRun())).rejects.toThrow(/by hand.*work\|00000000000000000042/);
    });

    it("puts a run back whose row was deleted by hand, once, and it goes on to its end", async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      await table.insert(aRun());
      await rawClient(options.tableName).deleteEntity("dispatcher|q|thumbnails", workRow(aRun()));
      const broken = await table.brokenRows(aRun());
      if (broken?.kind !== "no run") throw new Error("the run should be nowhere");
      expect(await table.identities(aRun().source, 10)).toMatchObject([{ sequenceNumber: 42, isOpen: true }]);
      const run = aRun({ status: "waiting", notBefore: T0 });
      await table.putBack(broken, run);
      await expect(table.putBack(broken, run)).rejects.toThrow(ConflictError);
      expect(await table.brokenRows(aRun())).toBeUndefined();
      const back = await openRun(table, aRun());
      expect(back.run).toEqual(run);
      await table.close(back, closing(run));
      expect(await table.find(run)).toMatchObject({ kind: "closed" });
    });

    it("forgets the identity of a run that is nowhere, so that its message is a new one", async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      await table.insert(aRun());
      await rawClient(options.tableName).deleteEntity("dispatcher|q|thumbnails", workRow(aRun()));
      const broken = await table.brokenRows(aRun());
      if (broken?.kind !== "no run") throw new Error("the run should be nowhere");
      await table.putBack(broken, undefined);
      await expect(table.putBack(broken, undefined)).rejects.toThrow(ConflictError);
      expect(await table.find(aRun())).toEqual({ kind: "none" });
      await table.insert(aRun());
    });

    it("locks a run again whose other row was deleted by hand, so that it can be closed and found", async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      const run = aRun({ status: "waiting", notBefore: T0 });
      const { row } = await table.insert(run);
      await rawClient(options.tableName).deleteEntity("dispatcher|q|thumbnails", runRow(run));
      expect(await table.brokenRows(run)).toBeUndefined();
      const broken = await table.brokenRows(run, row);
      if (broken?.kind !== "no lock") throw new Error("nothing should lock the run");
      await table.lockAgain(broken);
      await expect(table.lockAgain(broken)).rejects.toThrow(ConflictError);
      expect(await table.brokenRows(run, row)).toBeUndefined();
      const again = await openRun(table, run);
      expect(again).toMatchObject({ run, row });
      await table.close(again, closing(run));
      expect(await table.purge(run.source, T0 + 86_400_000, 10)).toBe(1);
      expect(await table.searchRows(run.source, 10)).toEqual([]);
    });

    it("does not lock a run again that changed since", async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      const stored = await table.insert(aRun());
      await rawClient(options.tableName).deleteEntity("dispatcher|q|thumbnails", runRow(aRun()));
      const broken = await table.brokenRows(aRun());
      if (broken?.kind !== "no lock") throw new Error("nothing should lock the run");
      await table.update(stored, aRun({ attempt: 2 }));
      await expect(table.lockAgain(broken)).rejects.toThrow(ConflictError);
      expect(await table.identities(aRun().source, 10)).toEqual([]);
    });

    it("lists the search rows of all runs, page by page, and removes those that are named, once and again", async () => {
      const table = makeAzureTable(optionsFor());
      for (let sequenceNumber = 1; sequenceNumber <= 3; sequenceNumber += 1)
        await table.insert(aRun({ sequenceNumber, messageId: `m-${sequenceNumber}`, correlationId: "c" }));
      const { source } = aRun();
      const all = await table.searchRows(source, 10);
      expect(all.map(({ sequenceNumber }) => sequenceNumber).toSorted((a, b) => a - b)).toEqual([1, 1, 2, 2, 3, 3]);
      const pages = [];
      for (let page = await table.searchRows(source, 2); page.length > 0; ) {
        pages.push(...page);
        page = page.length < 2 ? [] : await table.searchRows(source, 2, page.at(-1)?.row);
      }
      expect(pages).toEqual(all);
      const ofFirst = all.filter(({ sequenceNumber }) => sequenceNumber === 1);
      for (let turn = 0; turn < 2; turn += 1) await table.removeSearchRows(source, ofFirst);
      expect(await table.withMessageId(source, "m-1", 10)).toEqual([]);
      expect(await table.withCorrelationId(source, "c", 10)).toHaveLength(2);
    });

    it("does not take a row for the run's own that says it is another incarnation's", async () => {
      const options = optionsFor();
      const table = makeAzureTable(options);
      await table.insert(aRun());
      const row = { partitionKey: "dispatcher|q|thumbnails", rowKey: workRow(aRun()) };
      await rawClient(options.tableName).updateEntity({ ...row, enqueuedAt: new Date(T0 + 1) }, "Merge");
      await expect(table.find(aRun())).rejects.toThrow(/can't be read/);
    });

    it("cuts text for people without breaking a character", async () => {
      const table = makeAzureTable(optionsFor());
      const lastError = `x${"🔑".repeat(40_000)}`;
      await table.insert(aRun({ lastError, subject: "half \ud83d" }));
      const [stored] = await openRuns(table, aRun().source);
      expect(stored?.run.lastError).toBe(`x${"🔑".repeat(3_999)}`);
      expect(stored?.run.subject).toBe("half \ufffd");
    });

    it("takes the latest expiry that a message can have", async () => {
      const table = makeAzureTable(optionsFor());
      await table.insert(aRun({ expiresAt: Date.parse("9999-12-31T23:59:59.999Z") + 1 }));
      expect((await openRuns(table, aRun().source))[0]?.run.expiresAt).toBe(Date.parse("9999-12-31T23:59:59.999Z"));
    });
  });

  describe(`the Azure table on ${name}, behind a bad connection`, () => {
    let proxy: CuttingProxy;
    let options: AzureTableOptions;
    let table: ReturnType<typeof makeAzureTable>;
    beforeEach(async () => {
      proxy = await startCuttingProxy(service.tablePort);
      const value = service.connectionString.replace(`:${service.tablePort}/`, `:${proxy.port}/`);
      options = optionsFor({ connection: { kind: "connectionString", value } });
      table = makeAzureTable(options);
      await table.lastTick();
      return () => proxy.close();
    });

    it("meets its own row after an insert whose reply was lost", async () => {
      proxy.loseReplies("POST", 1);
      await expect(table.insert(aRun())).rejects.toThrow(ConflictError);
      expect(await table.find(aRun())).toMatchObject({ kind: "open", stored: { run: aRun() } });
    });

    it("meets its own rows after inserts that went together and whose reply was lost", async () => {
      const runs = Array.from({ length: 8 }, (_, n) => aRun({ sequenceNumber: n + 1 }));
      proxy.loseReplies("POST", 1);
      const inserts = await Promise.allSettled(runs.map((run) => table.insert(run)));
      expect(inserts.map((insert) => insert.status === "rejected" && insert.reason)).toEqual(
        runs.map(() => expect.any(ConflictError)),
      );
      for (const run of runs) expect(await table.find(run)).toMatchObject({ kind: "open", stored: { run } });
    });

    it("closes a run once, although the reply was lost", async () => {
      const stored = await table.insert(aRun());
      proxy.loseReplies("POST", 1);
      await table.close(stored, closing(stored.run));
      expect(await table.find(aRun())).toMatchObject({ kind: "closed", run: { status: "succeeded" } });
    });

    it("closes a run although every reply was lost", async () => {
      const stored = await table.insert(aRun());
      proxy.loseReplies("POST", 3);
      await table.close(stored, closing(stored.run));
      expect(await table.find(aRun())).toMatchObject({ kind: "closed" });
    });

    it("says closed if a run closes while it is looked at", async () => {
      const stored = await table.insert(aRun({ status: "waiting" }));
      const other = makeAzureTable({ ...optionsFor(), tableName: options.tableName });
      proxy.beforeReply("GET", () => other.close(stored, closing(stored.run)));
      expect(await table.find(aRun())).toMatchObject({ kind: "closed" });
    });

    it("purges the others if one is reopened meanwhile", async () => {
      for (const sequenceNumber of [1, 2, 3]) {
        const run = aRun({ sequenceNumber });
        await table.close(await table.insert(run), closing(run, { status: "lost", verdict: { outcome: "lost" } }));
      }
      const back = aRun({ sequenceNumber: 2, status: "waiting" });
      const found = await table.find(back);
      if (found.kind !== "closed") throw new Error("not closed");
      const other = makeAzureTable({ ...optionsFor(), tableName: options.tableName });
      proxy.beforeReply("GET", () => other.reopen(found, back));
      expect(await table.purge(back.source, T0 + 1e9, 10)).toBe(2);
      expect(await table.find(back)).toMatchObject({ kind: "open", stored: { run: back } });
    });

    it("dates what it read to before it asked", async () => {
      const clock = makeTestClock();
      const slow = makeAzureTable({ ...options, clock });
      const before = clock.read();
      const stored = await slow.insert(aRun());
      proxy.beforeReply("POST", () => clock.advance(5_000));
      expect((await slow.update(stored, stored.run)).read).toEqual(before);
      await slow.atWork(aRun().source);
      proxy.beforeReply("GET", () => clock.advance(5_000));
      const asked = clock.read();
      expect((await slow.atWork(aRun().source)).runs[0]?.read).toEqual(asked);
      expect(clock.now()).toBe(T0 + 10_000);
    });

    it("passes on the service's time with every answer of the service, and no other server's time", async () => {
      const heard: { readonly serviceMs: number; readonly sent: Reading }[] = [];
      const clock = makeTestClock();
      const onServiceTime = (serviceMs: number, sent: Reading) => heard.push({ serviceMs, sent });
      const listening = makeAzureTable({ ...options, clock, onServiceTime });
      const stored = await listening.insert(aRun());
      await listening.update(stored, stored.run);
      await expect(listening.insert(aRun())).rejects.toThrow(ConflictError);
      await listening.lastTick();
      // The first request makes the table.
      expect(heard).toHaveLength(5);
      for (const { serviceMs, sent } of heard) {
        expect(Math.abs(serviceMs - Date.now())).toBeLessThan(5_000);
        expect(sent).toEqual(clock.read());
      }
      proxy.answerNext(10, 503, { date: "Thu, 01 Jan 2026 00:00:00 GMT" });
      await expect(listening.find(aRun())).rejects.toThrow(UnavailableError);
      expect(heard).toHaveLength(5);
    });

    it("does not take another process's close for its own, although its reply was lost", async () => {
      const stored = await table.insert(aRun());
      await makeAzureTable({ ...optionsFor(), tableName: options.tableName }).close(
        stored,
        closing(stored.run, { status: "cancelled", verdict: { outcome: "cancelled", reason: "Cancelled" } }),
      );
      proxy.loseReplies("POST", 1);
      await expect(table.close(stored, closing(stored.run))).rejects.toThrow(ConflictError);
    });

    it.each([
      { status: 503, headers: { "retry-after": "7" }, text: /503/ },
      { status: 429, headers: { "retry-after": "7" }, text: /429/ },
      { status: 500, headers: {}, text: /500/ },
      { status: 403, headers: {}, text: /the key in AzureWebJobsStorage/ },
      { status: 401, headers: {}, text: /the key in AzureWebJobsStorage/ },
      { status: 404, headers: {}, text: /as if a proxy had answered in its place/ },
    ])("says that it is unavailable on $status", async ({ status, headers, text }) => {
      proxy.answerNext(10, status, headers);
      const quick = makeAzureTable({ ...options, timeoutMs: 1_000 });
      const error = await quick.find(aRun()).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(UnavailableError);
      expect(error).toMatchObject({ message: expect.stringMatching(text) });
    });

    it("gives up on a request that gets no answer", async () => {
      const impatient = makeAzureTable({ ...options, timeoutMs: 200 });
      await impatient.lastTick();
      proxy.ignoreNext();
      await expect(impatient.find(aRun())).rejects.toThrow(/no answer within 200 ms/);
    });

    it("says that it is unavailable while no server listens, and works when one does", async () => {
      await proxy.close();
      await expect(table.insert(aRun())).rejects.toThrow(UnavailableError);
      expect(await makeAzureTable({ ...optionsFor(), tableName: options.tableName }).find(aRun())).toEqual({
        kind: "none",
      });
    });

    it("says that the table is gone, and does not quietly make an empty one", async () => {
      await table.insert(aRun());
      await rawClient(options.tableName).deleteTable();
      await expect(table.find(aRun())).rejects.toThrow(/TableNotFound/);
      await expect(table.insert(aRun({ sequenceNumber: 1 }))).rejects.toThrow(UnavailableError);
    });
  });
}
