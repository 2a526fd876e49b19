import { odata, TableClient } from "@azure/data-tables";
import { ServiceBusClient } from "@azure/service-bus";
import Long from "long";
import { BareCluster, readAccess } from "../../local/kit/cluster-access.ts";
import {
  ACTION_ROWS,
  aheadOf,
  CLUSTER_ROW,
  deadRows,
  ENDS_ROW,
  GATE_ROWS,
  groupAt,
  HELD_ROWS,
  HOLD_ROWS,
  instancePartition,
  type KeyRange,
  LATER_ROWS,
  LEASE_ROW,
  LIMIT_ROWS,
  LINES,
  MODULE_ROWS,
  notedRow,
  openRowOf,
  REDRIVE_ROWS,
  REGISTRY_ROWS,
  runRow,
  sourcePartition,
  TICK_ROW,
  workRow,
} from "../../shared/adapters/tables/keys.ts";
import { LABELS, MANAGED_BY } from "../../shared/jobs/job-identity.ts";
import { jobName } from "../../shared/jobs/job-name.ts";
import type { Run } from "../../shared/run/run.ts";
import { makeBareQuery, type Part } from "../bare-query.ts";
import { INSTANCE } from "../sample-run.ts";
import type { Connections } from "../servers.ts";

/** More of a kind than this are not counted. */
const COUNTED = 1_000;

/** Makes the requests that the views need, by the SDKs' clients and without the app. */
export async function makeBareLooks({ storage, tableName, serviceBus, kubeconfig, namespace, queues }: Connections) {
  const [queue = ""] = queues;
  const table = TableClient.fromConnectionString(storage, tableName, { allowInsecureConnection: true });
  const cluster = new BareCluster(await readAccess(kubeconfig));
  const receiver = new ServiceBusClient(serviceBus).createReceiver(queue, { skipParsingBodyAsJson: true });
  const query = makeBareQuery(table);
  const instance = instancePartition(INSTANCE);
  const source = sourcePartition(INSTANCE, { queue });
  const row = (partition: string, rowKey: string) => table.getEntity(partition, rowKey).catch(() => undefined);
  const sources = () => query(instance, REGISTRY_ROWS);
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const ours = `${LABELS.managedBy}=${MANAGED_BY},${LABELS.instance}=${INSTANCE}`;
  // The Job of a run in line is missing, which is an answer too.
  const job = (run: Run) => cluster.ask("GET", `${jobs}/${jobOf(run)}`).catch(() => undefined);
  const podsOf = (run: Run) => cluster.ask("GET", `${pods}?labelSelector=batch.kubernetes.io/job-name=${jobOf(run)}`);

  /** Reads what the instance's rows say, and which cluster it is. */
  const state = () =>
    Promise.all([
      row(instance, TICK_ROW),
      row(instance, CLUSTER_ROW),
      row(instance, ENDS_ROW),
      ...[MODULE_ROWS, LIMIT_ROWS, GATE_ROWS, HELD_ROWS].map((range) => query(instance, range)),
      cluster.ask("GET", `/api/v1/namespaces/${namespace}`),
    ]);

  const openRun = async (run: Run): Promise<void> => {
    await row(source, workRow(run));
    const place = notedRow(openRowOf(run, Date.now()));
    if (place === undefined) return;
    await row(source, runRow(run));
    await row(source, place);
  };

  return {
    async rows(range: KeyRange, part: Part): Promise<void> {
      await sources();
      await query(source, range, part);
    },
    async status(): Promise<void> {
      await Promise.all([state(), row(instance, LEASE_ROW), sources(), query(instance, REDRIVE_ROWS)]);
      const select = ["module", "enqueuedAt"];
      await Promise.all([
        query(source, LINES, { first: COUNTED, select }),
        query(source, HOLD_ROWS, { first: COUNTED, select }),
        query(source, LATER_ROWS, { first: COUNTED, select: [...select, "attempt", "absentSince"] }),
      ]);
    },
    async show(run: Run): Promise<void> {
      await row(source, workRow(run));
      const fromSequenceNumber = Long.fromNumber(run.sequenceNumber);
      await Promise.all([job(run), podsOf(run), receiver.peekMessages(1, { fromSequenceNumber })]);
    },
    async explain(run: Run): Promise<void> {
      await state();
      await openRun(run);
      await Promise.all([job(run), cluster.list(jobs, { labelSelector: `${ours},${LABELS.cancel}=true` })]);
      if (run.status === "waiting") await query(source, aheadOf(run), { first: COUNTED, select: ["status"] });
      else await Promise.all([job(run), podsOf(run)]);
    },
    async deadGroups(): Promise<void> {
      await sources();
      for (let range = deadRows({}); ; ) {
        const group = await firstGroup(range);
        if (group === undefined) return;
        await query(source, group, { first: COUNTED, select: ["group"] });
        range = { from: group.below, below: range.below };
      }
    },
    async actions(part: Part): Promise<void> {
      await sources();
      await Promise.all([instance, source].map((partition) => query(partition, ACTION_ROWS, part)));
    },
  };

  /** Finds the range of the first failure group in a range, by its newest letter. */
  async function firstGroup({ from, below }: KeyRange): Promise<KeyRange | undefined> {
    const filter = odata`PartitionKey eq ${source} and RowKey ge ${from} and RowKey lt ${below}`;
    const pages = table.listEntities({ queryOptions: { filter } }).byPage({ maxPageSize: 1 });
    for await (const [letter] of pages) return letter?.rowKey === undefined ? undefined : groupAt(letter.rowKey);
    return undefined;
  }
}

function jobOf(run: Run): string {
  return run.jobName ?? jobName({ module: run.module, instance: INSTANCE, key: run, attempt: 1 });
}
