import { odata, TableClient } from "@azure/data-tables";
import { ServiceBusClient } from "@azure/service-bus";
import Long from "long";
import { MODULE_ROWS, OPEN_ROWS, REGISTRY_ROWS, SWEEP_ROW, sourcePartition } from "../shared/adapters/table-keys.ts";
import { LABELS, MANAGED_BY } from "../shared/jobs/job-identity.ts";
import { BareCluster, readAccess } from "./cluster-access.ts";
import { type Connections, INSTANCE, QUEUE, SOURCE } from "./servers.ts";

/** As much as a tick peeks at. */
const SWEEP_PAGE = 50;

/**
 * Makes the requests of a tick of the app in their order, so many times, and says `{"ms","open","jobs","pods"}` after each: what is known of
 * modules, the registry of sources and the open rows; Jobs, pods and cancelled Jobs at once; the sweep's cursor, its page and its next cursor; the tick's own row.
 */
export async function tickBare(connections: Connections, ticks: number, say: (fields: object) => void): Promise<void> {
  const { storage, serviceBus, kubeconfig, namespace, tableName } = connections;
  const table = TableClient.fromConnectionString(storage, tableName, { allowInsecureConnection: true });
  const receiver = new ServiceBusClient(serviceBus).createReceiver(QUEUE, { skipParsingBodyAsJson: true });
  const cluster = new BareCluster(await readAccess(kubeconfig));
  const partition = sourcePartition(INSTANCE, SOURCE);
  const ours = `${LABELS.managedBy}=${MANAGED_BY},${LABELS.instance}=${INSTANCE}`;
  const unsettled = `${ours},${LABELS.settled}!=true`;
  const jobs = `/apis/batch/v1/namespaces/${namespace}/jobs`;
  let cursor = 0;

  async function query(partitionKey: string, { from, below }: { from: string; below: string }): Promise<number> {
    const filter = odata`PartitionKey eq ${partitionKey} and RowKey ge ${from} and RowKey lt ${below}`;
    let rows = 0;
    for await (const page of table.listEntities({ queryOptions: { filter } }).byPage()) rows += page.length;
    return rows;
  }

  for (let tick = 0; tick < ticks; tick += 1) {
    const startedAt = performance.now();
    await query(INSTANCE, MODULE_ROWS);
    await query(INSTANCE, REGISTRY_ROWS);
    const open = await query(partition, OPEN_ROWS);
    const [jobCount, podCount] = await Promise.all([
      cluster.list(jobs, { labelSelector: unsettled }),
      cluster.list(`/api/v1/namespaces/${namespace}/pods`, {
        labelSelector: ours,
        fieldSelector: "status.phase!=Succeeded,status.phase!=Failed",
      }),
      cluster.list(jobs, { labelSelector: `${unsettled},${LABELS.cancel}=true` }),
    ]);
    await table.getEntity(partition, SWEEP_ROW).catch(() => undefined);
    const page = await receiver.peekMessages(SWEEP_PAGE, { fromSequenceNumber: Long.fromNumber(cursor) });
    cursor = Number(page.at(-1)?.sequenceNumber ?? -1) + 1;
    await table.upsertEntity({ partitionKey: "bare", rowKey: "sweep", nextSequenceNumber: BigInt(cursor) }, "Replace");
    await table.upsertEntity({ partitionKey: "bare", rowKey: "tick", at: new Date() }, "Replace");
    say({ ms: performance.now() - startedAt, open, jobs: jobCount, pods: podCount });
  }
}
