import { TableClient } from "@azure/data-tables";
import { ServiceBusClient } from "@azure/service-bus";
import Long from "long";
import { BareCluster, type Row, readAccess } from "../local/kit/cluster-access.ts";
import {
  LATER_ROWS,
  LINES,
  MODULE_ROWS,
  REGISTRY_ROWS,
  SWEEP_ROW,
  sourcePartition,
  WORK_ROWS,
} from "../shared/adapters/tables/keys.ts";
import { LABELS, MANAGED_BY } from "../shared/jobs/job-identity.ts";
import { makeBareQuery } from "./bare-query.ts";
import { INSTANCE } from "./sample-run.ts";
import type { Connections } from "./servers.ts";

/** How many messages a tick of the app peeks at. */
const SWEEP_PAGE = 50;

/** What a tick saw: the number of open rows, the Jobs that are not retired, the number of pods. */
interface TickSeen {
  readonly open: number;
  readonly jobs: readonly Row[];
  readonly pods: number;
}

/** Makes the requests of so many ticks of the app, and says `{"ms","open","jobs","pods"}` after each tick. */
export async function tickBare(connections: Connections, ticks: number, say: (fields: object) => void): Promise<void> {
  const tick = await makeBareTick(connections);
  for (let count = 0; count < ticks; count += 1) {
    const startedAt = performance.now();
    const { open, jobs, pods } = await tick(async () => {});
    say({ ms: performance.now() - startedAt, open, jobs: jobs.length, pods });
  }
}

/**
 * Makes the function that makes the requests of one tick of the app, in the app's order:
 *
 * - it queries the states of modules, the registry of sources, the rows at work, those that come due and the lines
 * - it lists Jobs, pods and cancelled Jobs at the same time
 * - it lets `act` settle what has finished
 * - it reads each source's cursor, peeks at a page of messages and saves the cursor
 * - it writes the row of the tick
 */
export async function makeBareTick({ storage, serviceBus, kubeconfig, namespace, queues, tableName }: Connections) {
  const table = TableClient.fromConnectionString(storage, tableName, { allowInsecureConnection: true });
  const query = makeBareQuery(table);
  const bus = new ServiceBusClient(serviceBus);
  const cluster = new BareCluster(await readAccess(kubeconfig));
  const sources = queues.map((queue) => ({
    partition: sourcePartition(INSTANCE, { queue }),
    receiver: bus.createReceiver(queue, { skipParsingBodyAsJson: true }),
    cursor: 0,
  }));
  const ours = `${LABELS.managedBy}=${MANAGED_BY},${LABELS.instance}=${INSTANCE}`;
  const notRetired = `${ours},${LABELS.retired}!=true`;
  const jobsPath = `/apis/batch/v1/namespaces/${namespace}/jobs`;

  return async (act: (jobs: readonly Row[]) => Promise<void>): Promise<TickSeen> => {
    await query(INSTANCE, MODULE_ROWS);
    await query(INSTANCE, REGISTRY_ROWS);
    let open = 0;
    for (const { partition } of sources) {
      open += await query(partition, WORK_ROWS);
      await query(partition, LATER_ROWS, { first: 100 });
      await query(partition, LINES, { first: 1 });
    }
    const [jobs, pods] = await Promise.all([
      cluster.list(jobsPath, { labelSelector: notRetired }),
      cluster.list(`/api/v1/namespaces/${namespace}/pods`, {
        labelSelector: ours,
        fieldSelector: "status.phase!=Succeeded,status.phase!=Failed",
      }),
      cluster.list(jobsPath, { labelSelector: `${notRetired},${LABELS.cancel}=true` }),
    ]);
    await act(jobs);
    for (const source of sources) {
      await table.getEntity(source.partition, SWEEP_ROW).catch(() => undefined);
      const from = Long.fromNumber(source.cursor);
      const page = await source.receiver.peekMessages(SWEEP_PAGE, { fromSequenceNumber: from });
      source.cursor = Number(page.at(-1)?.sequenceNumber ?? -1) + 1;
      const next = { partitionKey: "bare", rowKey: "sweep", nextSequenceNumber: BigInt(source.cursor) };
      await table.upsertEntity(next, "Replace");
    }
    await table.upsertEntity({ partitionKey: "bare", rowKey: "tick", at: new Date() }, "Replace");
    return { open, jobs, pods: pods.length };
  };
}
