import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { closedMessageId, historyRows } from "../../bench/backlog/history.ts";
import { seed } from "../../bench/backlog/seed.ts";
import { makeLooks } from "../../bench/operate/looks.ts";
import { pageLooks } from "../../bench/operate/page-looks.ts";
import { pageText } from "../../bench/operate/page-report.ts";
import { operateText } from "../../bench/operate/report.ts";
import { type LocalBroker, startBroker } from "../../local/broker/start-broker.ts";
import { type LocalCluster, startCluster } from "../../local/cluster/start-cluster.ts";
import { startTableServer, type TableServer } from "../../local/table-server/start-table-server.ts";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { makeServiceBusBroker } from "../../shared/adapters/service-bus/broker.ts";
import { makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../shared/clock.ts";
import { makeOperator } from "../../shared/operate/operator.ts";
import { aModule } from "../support/a-module.ts";
import { makeWorld } from "../support/world.ts";

const DAY_MS = 24 * 3_600_000;
const source = { queue: "full" };
const module = aModule({ name: "full", source, maxActive: 4 });

let directory: string;
let broker: LocalBroker;
let tables: TableServer;
let cluster: LocalCluster;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "dispatcher-operate-"));
  broker = await startBroker({ entities: { queues: [{ name: source.queue }], topics: [] } });
  tables = await startTableServer();
  cluster = await startCluster({ directory, namespace: "jobs", stub: true });
});

afterEach(async () => {
  await cluster.close();
  await broker.close();
  await tables.close();
  await rm(directory, { recursive: true });
});

function connected() {
  const connections = {
    serviceBus: broker.connectionString,
    storage: tables.connectionString,
    kubeconfig: cluster.kubeconfigPath,
    namespace: "jobs",
    modulesDir: directory,
    tableName: "Runs",
    queues: [source.queue],
    body: "{}",
  };
  const table = makeAzureTable({
    connection: { kind: "connectionString", value: connections.storage },
    tableName: connections.tableName,
    instance: "bench",
    clock: systemClock,
  });
  return { connections, table };
}

it("a history that is put into the table is what the app itself would have kept, and is purged whole", async () => {
  const { connections, table } = connected();
  await table.registerSource(source);
  const now = Date.now();
  tables.seed(connections.tableName, historyRows(module, { closed: 200, now }));

  const { groups, others } = await table.failureGroups(source, "full", 10);
  expect([groups.map(({ count }) => count), others]).toEqual([[7, 2, 1], 0]);
  const days = [5, 4, 3, 2, 1, 0].map((ago) => table.closedRuns(source, now - ago * DAY_MS, 1_000));
  const runs = (await Promise.all(days)).flat();
  expect(runs.map(({ messageId }) => messageId)).toEqual(Array.from({ length: 200 }, (_, n) => closedMessageId(n + 1)));
  expect(runs.filter(({ status }) => status === "failed")).toHaveLength(10);
  expect(await table.withMessageId(source, closedMessageId(7), 10)).toMatchObject([{ sequenceNumber: 1_000_007 }]);
  expect(await table.actions(source, 3)).toHaveLength(3);

  // The others left dead letters, and are kept as long as these.
  expect(await table.purge(source, now, 1_000)).toBe(190);
  await table.purgeLetters(source, await table.deadLetters(source, {}, 100));
  expect(await table.deadLetters(source, {}, 100)).toEqual([]);
  expect(await table.withMessageId(source, closedMessageId(7), 10)).toEqual([]);
});

it("each view sees what was put there, and needs the bare requests that it is measured beside", async () => {
  const { connections, table } = connected();
  const runs = { working: 4, waiting: 30, later: 3, held: 4, closed: 200 };
  await seed(connections, tables, broker.namespace.receivable(source.queue), { module, ...runs });
  tables.seed(connections.tableName, historyRows(module, { closed: runs.closed, now: Date.now() }));
  await table.recordTick(Date.now());
  const world = makeWorld([module], {
    table,
    instanceTable: table,
    broker: makeServiceBusBroker({ kind: "connectionString", value: connections.serviceBus }),
    cluster: makeKubernetesJobs({ kubeconfig: connections.kubeconfig, namespace: "jobs", instance: "bench" }),
    clock: { ...systemClock },
    instance: "bench",
  });
  const requests = async (look: () => Promise<void>) => {
    const before = tables.counts().requests;
    await look();
    return tables.counts().requests - before;
  };

  const strange: string[] = [];
  for (const { what, view, bare } of await makeLooks(makeOperator(world.deps, world.log), connections, {
    closed: runs.closed,
    size: 3,
  })) {
    const [ofView, ofBare] = [await requests(view), await requests(bare)];
    if (ofBare < 1 || ofBare > ofView) strange.push(`${what}: ${ofView} requests, and ${ofBare} bare ones`);
  }
  expect(strange).toEqual([]);
});

it("the page's API is asked for every look that can be measured there", () => {
  const looks = pageLooks({ working: "full:1:2", waiting: "full:3:4", dead: "full:5:6", closed: 10 });
  expect(looks.map(({ path }) => path())).toEqual(
    expect.arrayContaining([
      "/status",
      "/runs/full%3A1%3A2",
      "/runs/full%3A3%3A4/explanation",
      "/dead-letters/full%3A5%3A6",
    ]),
  );
  const [search] = looks.filter(({ what }) => what.startsWith("/search"));
  expect(search?.path()).not.toBe(search?.path());
});

it("the report says so if there is no browser", () => {
  const text = pageText({ looks: [], browser: undefined, serverMib: 90 });
  expect(text).toContain("There is no browser here");
});

it("the report has the targets beside the figures", () => {
  const times = [10, 20, 30];
  const text = operateText({
    options: { runs: { working: 1, waiting: 2, later: 3, held: 4, closed: 5 }, letters: 400, audited: 6, rounds: 1 },
    looks: [{ what: "status", targetMs: 50, ms: times, bareMs: [1, 2, 3] }],
    redrive: { letters: 400, seconds: 2, bareSeconds: 1, cpuMs: 1.5, bareCpuMs: 1 },
    commands: [{ what: "dispatcher --help", targetMs: 150, ms: times, nodeMs: times }],
    page: {
      looks: [{ what: "/status", ms: times }],
      browser: {
        firstPaintMs: times,
        open: { cpuMs: [900, 1_000], mib: [101, 103] },
        shut: { cpuMs: [500, 700], mib: [100, 101] },
      },
      serverMib: 90,
    },
    idleMib: { none: [100, 110, 120], many: [101, 110, 125] },
  });
  expect(text.split("\n").map((line) => line.replaceAll(/ {2,}/g, " | "))).toEqual([
    "beside 10 open runs and 5 closed ones, ms | p50 | p95 | bare p50 | bare p95 | target",
    "status | 20.0 | 30.0 | 2.0 | 3.0 | p95 <= 50",
    "",
    "400 dead letters redriven, until the last is deferred | app | bare | target",
    "a second | 200 | 400 | >= 200",
    "processor ms a letter | 1.50 | 1.00",
    "",
    "a whole process, ms | p50 | p95 | node p50 | node p95 | target",
    "dispatcher --help | 20 | 30 | 20 | 30 | p50 <= 150",
    "",
    "the page, ms | p50 | p95 | target",
    "GET /status | 20.0 | 30.0 | p95 <= 50",
    "first paint in a browser | 20.0 | 30.0 | p50 <= 200",
    "",
    "the app's process | no view open | one open | more | target",
    "processor ms in 60 s | 600 | 950 | 350 (300 to 400) | <= 1200",
    "MiB | 100.5 | 102.0 | 1.5 (1.0 to 2.0) | <= 5",
    "The page's server held 90 MiB at the end.",
    "",
    "MiB of an idle app | none closed | 5 closed | more | target",
    "beside the same open runs | 110 | 110 | 1.0 (0.0 to 5.0) | <= 3",
  ]);
});
