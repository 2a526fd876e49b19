import { randomUUID } from "node:crypto";
import { TableClient, type TransactionAction } from "@azure/data-tables";
import { ServiceBusClient } from "@azure/service-bus";
import Long from "long";
import { listen } from "../host/service-bus-listener.ts";
import { BareCluster, readAccess } from "../local/kit/cluster-access.ts";
import { bareLockToken } from "../shared/adapters/service-bus/bare-lock-token.ts";
import { writeMark, writeOpenRun } from "../shared/adapters/tables/run-entity.ts";
import { loadModules } from "../shared/module-files/load-modules.ts";
import { dispatched } from "../shared/run/change-run.ts";
import { jobOf, runOf } from "./sample-run.ts";
import type { Connections } from "./servers.ts";

/** How many messages are accepted at once: as many as host.json allows the app. */
const CONCURRENCY = 16;

/** A message that was accepted: its Job is created and its rows are written. */
export interface Accepted {
  readonly sequenceNumber: number;
  readonly jobName: string;
  /** The open row as it was last written. */
  readonly open: { readonly partitionKey: string; readonly rowKey: string };
  /** The version of the open row. */
  readonly etag: string;
  /** The row that stays when the run is closed. */
  readonly mark: { readonly partitionKey: string; readonly rowKey: string };
}

/** Opens the table of the bare calls, which lies beside the app's own. */
export function bareTable({ storage, tableName }: Connections): TableClient {
  return TableClient.fromConnectionString(storage, `${tableName}Bare`, { allowInsecureConnection: true });
}

/**
 * Accepts the queues' messages as the app does in a Functions host. It uses as many connections as the app, and receives
 * by the standalone host's own listener. For each message it peeks, inserts two rows in a transaction, defers by lock
 * token, creates the Job and replaces the row. The rows and the Jobs are as large as the app's. Nothing is computed for a
 * message, and each message's rows go to the table in a request of their own.
 *
 * The app that is measured runs on the standalone host. It makes neither of the two requests to the bus, because it has
 * the message in its process and defers it on the link. The bare calls make them all the same, so that figures of
 * different days have the same yardstick.
 */
export async function acceptBare(
  connections: Connections,
  queues: readonly string[],
  say: (fields: object) => void,
  onAccepted: (accepted: Accepted) => void = () => {},
): Promise<void> {
  const table = bareTable(connections);
  await table.createTable();
  const servers = {
    table,
    bus: new ServiceBusClient(connections.serviceBus),
    cluster: new BareCluster(await readAccess(connections.kubeconfig)),
  };
  // The host, too, has a connection beside the app's.
  const client = new ServiceBusClient(connections.serviceBus);
  const binding = { type: "serviceBusTrigger", dataType: "binary", autoCompleteMessages: false };
  for (const queue of queues) {
    const call = makeCall(connections, servers, queue);
    listen({
      client,
      entity: { queue },
      fn: { name: "bare", bindings: {}, trigger: { bindingName: "message", binding }, callback: () => undefined },
      settings: {
        autoCompleteMessages: false,
        maxConcurrentCalls: CONCURRENCY,
        prefetchCount: 0,
        maxAutoLockRenewalDuration: 300_000,
      },
      invoke: async (_fn, { metadata }) => {
        onAccepted(await call(Number(metadata["SequenceNumber"]?.json), metadata["LockToken"]?.string ?? ""));
        say({ message: "handled a delivery", outcome: "dispatched" });
        return undefined;
      },
      deliveries: new Map(),
      log: {
        system: (level, text) => say({ level, text }),
        of: () => (level, category, text) => say({ level, category, text }),
      },
    });
  }
}

interface BareServers {
  readonly table: TableClient;
  readonly bus: ServiceBusClient;
  readonly cluster: BareCluster;
}

function makeCall(connections: Connections, { table, bus, cluster }: BareServers, queue: string) {
  const { namespace, modulesDir, body } = connections;
  const options = { skipParsingBodyAsJson: true, maxAutoLockRenewalDurationInMs: 0 };
  const receiver = bus.createReceiver(queue, options);
  const module = loadModules(modulesDir).find(({ source }) => "queue" in source && source.queue === queue);
  if (!module) throw new Error(`no module in ${modulesDir} has the source queue ${queue}`);

  // The rows and the Job are made once, because those of two messages differ only in their keys.
  const run = runOf(module, { sequenceNumber: 1, enqueuedAt: Date.now(), messageId: randomUUID() });
  const job = jobOf(run, module, namespace, body);
  const started = dispatched(run, { name: job.metadata?.name ?? "", uid: randomUUID() }, Date.now(), 60_000);
  const [open, mark, done] = [writeOpenRun(run), writeMark(run), writeOpenRun(started)];
  const owner = randomUUID();
  const partitionKey = `bench|q|${queue}`;

  return async (sequenceNumber: number, lockToken: string): Promise<Accepted> => {
    const number = String(sequenceNumber).padStart(20, "0");
    const openKey = { partitionKey, rowKey: `work|${number}` };
    const runKey = { partitionKey, rowKey: `run|2026-01-01|${number}|1767225600000` };
    await receiver.peekMessages(1, { fromSequenceNumber: Long.fromNumber(sequenceNumber) });
    const rows: TransactionAction[] = [
      ["create", { ...open, ...openKey }],
      ["create", { ...mark, ...runKey }],
    ];
    const { subResponses } = await table.submitTransaction(rows);
    await receiver.deferMessage(bareLockToken(lockToken), { "dispatcher-owner": owner });
    const jobName = `bare-${queue}-${sequenceNumber}`;
    await cluster.createJob(JSON.stringify({ ...job, metadata: { ...job.metadata, name: jobName } }));
    const replaced = { ...done, ...openKey };
    const { etag = "" } = await table.updateEntity(replaced, "Replace", {
      etag: subResponses[0]?.etag?.trim() ?? "",
    });
    return { sequenceNumber, jobName, open: replaced, etag, mark: { ...mark, ...runKey } };
  };
}
