import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Seed, startTableServer, type TableServer } from "../../../local/table-server/start-table-server.ts";
import { runRow, sourcePartition } from "../../../shared/adapters/tables/keys.ts";
import { writeClosedRun, writeMark } from "../../../shared/adapters/tables/run-entity.ts";
import { makeAzureTable } from "../../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../../shared/clock.ts";
import type { RunTable } from "../../../shared/ports/run-table.ts";
import { nameOfRun } from "../../../shared/run/dead-letter.ts";
import type { Run } from "../../../shared/run/run.ts";
import { aRun, closing } from "../../support/a-run.ts";

const { source } = aRun();
const instance = "dispatcher";
const numbered = (sequenceNumber: number) => aRun({ sequenceNumber });
/** The runs of a page whose messages were dead-lettered, of every twentieth number. */
const DEAD = Array.from({ length: 50 }, (_, n) => numbered((n + 1) * 20));

let server: TableServer;
let table: RunTable;
let tables = 0;
const tableName = () => `LastRedrives${tables}`;
beforeAll(async () => {
  server = await startTableServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  tables += 1;
  // A release that knew no letters wrote these rows, so that they name none.
  seed(...Array.from({ length: 1_000 }, (_, n) => over(numbered(n + 1))));
  const connection = { kind: "connectionString", value: server.connectionString } as const;
  const opened = makeAzureTable({ connection, tableName: tableName(), instance, clock: systemClock });
  await opened.sources();
  table = opened;
});

function seed(...rows: Omit<Seed, "partitionKey">[]): void {
  const partitionKey = sourcePartition(instance, source);
  server.seed(
    tableName(),
    rows.map((row) => ({ ...row, partitionKey })),
  );
}

const over = (run: Run) => ({ rowKey: runRow(run), columns: writeClosedRun(closing(run, { status: "failed" })) });
const open = (run: Run) => ({ rowKey: runRow(run), columns: writeMark(run) });

/** Counts what it takes to find the last redrives of the dead letters. */
async function counted() {
  const before = server.counts();
  const found = await table.lastRedrives(source, DEAD);
  const after = server.counts();
  return { found, requests: after.requests - before.requests, read: after.read - before.read };
}

it("takes one request and reads no row, if no letter was redriven", async () => {
  expect(await counted()).toEqual({ found: new Map(), requests: 1, read: 0 });
});

it("reads the rows of redriven runs alone", async () => {
  const [one, another] = [numbered(20), numbered(40)];
  seed(over({ ...one, redrive: 1 }), open({ ...one, redrive: 2 }), over({ ...another, redrive: 1 }));
  // A letter that is not asked for.
  seed(over({ ...numbered(21), redrive: 1 }));
  const found = new Map([
    [nameOfRun(one), { redrive: 2, status: "open" }],
    [nameOfRun(another), { redrive: 1, status: "failed" }],
  ]);
  expect(await counted()).toEqual({ found, requests: 1, read: 4 });
});

it("says nothing of a letter whose last run a newer release began, with whatever columns", async () => {
  const run = numbered(20);
  seed(over({ ...run, redrive: 1 }), { rowKey: runRow({ ...run, redrive: 2 }), columns: { version: 99 } });
  expect(await counted()).toEqual({ found: new Map(), requests: 1, read: 2 });
});

it("passes over a letter whose last row holds no status", async () => {
  const run = { ...numbered(20), redrive: 1 };
  seed({ rowKey: runRow(run), columns: { ...writeMark(run), status: "undone" } });
  expect((await counted()).found).toEqual(new Map());
});
