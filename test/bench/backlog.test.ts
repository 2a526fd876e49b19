import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { seed } from "../../bench/backlog/seed.ts";
import { startBroker } from "../../local/broker/start-broker.ts";
import { startCluster } from "../../local/cluster/start-cluster.ts";
import { startTableServer } from "../../local/table-server/start-table-server.ts";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { makeServiceBusBroker } from "../../shared/adapters/service-bus/broker.ts";
import { makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { systemClock } from "../../shared/clock.ts";
import { aModule } from "../support/a-module.ts";

it("a backlog that is put into the servers is what the app itself would have left there", async () => {
  const directory = await mkdtemp(join(tmpdir(), "dispatcher-backlog-"));
  const source = { queue: "full" };
  const broker = await startBroker({ entities: { queues: [{ name: source.queue }], topics: [] } });
  const tables = await startTableServer();
  const cluster = await startCluster({ directory, namespace: "jobs", stub: true });
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
  await seed(connections, tables, broker.namespace.receivable(source.queue), {
    module: aModule({ name: "full", source }),
    working: 3,
    waiting: 2000,
  });

  const table = makeAzureTable({
    connection: { kind: "connectionString", value: connections.storage },
    tableName: connections.tableName,
    instance: "bench",
    clock: systemClock,
  });
  const { runs: atWork } = await table.atWork(source);
  const line = await table.line(source, "full", 5000);
  expect(atWork.map(({ run }) => [run.sequenceNumber, run.status])).toEqual([1, 2, 3].map((n) => [n, "dispatched"]));
  expect(line.map(({ run }) => run.sequenceNumber)).toEqual(Array.from({ length: 2000 }, (_, n) => n + 4));
  const { jobs } = await makeKubernetesJobs({
    kubeconfig: connections.kubeconfig,
    namespace: "jobs",
    instance: "bench",
  }).listJobs();
  expect(new Set(jobs.map(({ name }) => name))).toEqual(new Set(atWork.map(({ run }) => run.jobName)));

  const bus = makeServiceBusBroker({ kind: "connectionString", value: connections.serviceBus });
  const owner = await table.owner();
  for (const { run } of [...atWork, ...line.slice(-1)]) {
    expect(await table.find(run)).toMatchObject({ kind: "open", stored: { run } });
    expect(await bus.peek(source, run.sequenceNumber)).toMatchObject({
      state: "deferred",
      messageId: run.messageId,
      enqueuedAt: run.enqueuedAt,
      properties: { "dispatcher-owner": owner, "dispatcher-attempt": 1 },
    });
  }
  await cluster.close();
  await broker.close();
  await tables.close();
  await rm(directory, { recursive: true });
});
