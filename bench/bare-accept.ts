import { randomUUID } from "node:crypto";
import { TableClient, type TransactionAction } from "@azure/data-tables";
import { ServiceBusClient } from "@azure/service-bus";
import Long from "long";
import { listen } from "../local/host/service-bus-listener.ts";
import { bareLockToken } from "../shared/adapters/bare-lock-token.ts";
import { writeOpenMark, writeOpenRun } from "../shared/adapters/run-entity.ts";
import { loadModules } from "../shared/modules/load-modules.ts";
import { dispatched } from "../shared/run/change-run.ts";
import { BareCluster, readAccess } from "./cluster-access.ts";
import { jobOf, runOf } from "./sample-run.ts";
import { type Connections, QUEUE, SOURCE } from "./servers.ts";

/** As in host.json: the app's own concurrency. */
const CONCURRENCY = 16;

/**
 * Takes messages on as the app does, receiving by the same host's listener: peek, insert two rows in a transaction, defer by lock
 * token, create the Job, replace the row. The rows and Jobs weigh what the app's do, and nothing is computed per message.
 */
export async function acceptBare(connections: Connections, say: (fields: object) => void): Promise<void> {
  const call = await makeCalls(connections);
  const binding = { type: "serviceBusTrigger", dataType: "binary", autoCompleteMessages: false };
  listen({
    // A connection of its own, as the host has one beside the app's.
    client: new ServiceBusClient(connections.serviceBus),
    entity: SOURCE,
    fn: { name: "bare", bindings: {}, trigger: { bindingName: "message", binding }, callback: () => undefined },
    settings: {
      autoCompleteMessages: false,
      maxConcurrentCalls: CONCURRENCY,
      prefetchCount: 0,
      maxAutoLockRenewalDuration: 300_000,
    },
    invoke: async (_fn, { metadata }) => {
      await call(Number(metadata["SequenceNumber"]?.json), metadata["LockToken"]?.string ?? "");
      say({ message: "handled a delivery", outcome: "dispatched" });
      return undefined;
    },
    log: {
      system: (level, text) => say({ level, text }),
      of: () => (level, category, text) => say({ level, category, text }),
    },
  });
}

async function makeCalls({ serviceBus, storage, kubeconfig, namespace, modulesDir, tableName }: Connections) {
  const table = TableClient.fromConnectionString(storage, `${tableName}Bare`, { allowInsecureConnection: true });
  await table.createTable();
  const options = { skipParsingBodyAsJson: true, maxAutoLockRenewalDurationInMs: 0 };
  const receiver = new ServiceBusClient(serviceBus).createReceiver(QUEUE, options);
  const cluster = new BareCluster(await readAccess(kubeconfig));
  const [module] = loadModules(modulesDir);
  if (!module) throw new Error(`no module in ${modulesDir}`);

  // One of each, made once: every message's differ from these by keys alone.
  const run = runOf({ sequenceNumber: 1, enqueuedAt: Date.now(), messageId: randomUUID() });
  const job = jobOf(run, module, namespace);
  const started = dispatched(run, { name: job.metadata?.name ?? "", uid: randomUUID() }, Date.now(), 60_000);
  const [open, mark, done] = [writeOpenRun(run), writeOpenMark(run), writeOpenRun(started)];
  const owner = randomUUID();
  const partitionKey = `bench|q|${QUEUE}`;

  return async (sequenceNumber: number, lockToken: string): Promise<void> => {
    const number = String(sequenceNumber).padStart(20, "0");
    const openKey = { partitionKey, rowKey: `open|${number}` };
    const runKey = { partitionKey, rowKey: `run|2026-01-01|${number}|1767225600000` };
    await receiver.peekMessages(1, { fromSequenceNumber: Long.fromNumber(sequenceNumber) });
    const rows: TransactionAction[] = [
      ["create", { ...open, ...openKey }],
      ["create", { ...mark, ...runKey }],
    ];
    const { subResponses } = await table.submitTransaction(rows);
    await receiver.deferMessage(bareLockToken(lockToken), { "dispatcher-owner": owner });
    const name = `bare-${sequenceNumber}`;
    await cluster.createJob(JSON.stringify({ ...job, metadata: { ...job.metadata, name } }));
    await table.updateEntity({ ...done, ...openKey }, "Replace", { etag: subResponses[0]?.etag?.trim() ?? "" });
  };
}
