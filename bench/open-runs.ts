import { ServiceBusClient, type ServiceBusReceivedMessage } from "@azure/service-bus";
import pLimit from "p-limit";
import { makeKubernetesJobs } from "../shared/adapters/kubernetes/jobs.ts";
import { makeAzureTable } from "../shared/adapters/tables/run-table.ts";
import { systemClock } from "../shared/clock.ts";
import { runningLimitMs } from "../shared/jobs/run-limits.ts";
import { loadModules } from "../shared/module-files/load-modules.ts";
import { dispatched } from "../shared/run/change-run.ts";
import { ownerStamp } from "../shared/run/stamp.ts";
import { INSTANCE, jobOf, runOf } from "./sample-run.ts";
import { makeSending } from "./sending.ts";
import { type Connections, QUEUE, SOURCE } from "./servers.ts";

const CONCURRENCY = 32;
const PAGE = 200;

/**
 * Adds so many open runs whose Jobs are at work: each message is deferred, each Job is active and each row is
 * `dispatched`.
 */
export async function addOpenRuns(connections: Connections, count: number): Promise<void> {
  const client = new ServiceBusClient(connections.serviceBus);
  const receiver = client.createReceiver(QUEUE, { skipParsingBodyAsJson: true, maxAutoLockRenewalDurationInMs: 0 });
  const sending = makeSending(connections.serviceBus, { queues: [QUEUE] });
  const open = await makeOpen(connections, (message, stamp) => receiver.deferMessage(message, stamp));
  const limit = pLimit(CONCURRENCY);
  await sending.send(count);
  for (let made = 0; made < count; ) {
    const messages = await receiver.receiveMessages(Math.min(PAGE, count - made), { maxWaitTimeInMs: 10_000 });
    if (messages.length === 0) throw new Error(`the bus delivered ${made} of ${count} messages`);
    await limit.map(messages, open);
    made += messages.length;
  }
  await sending.close();
  await client.close();
}

async function makeOpen(
  { storage, tableName, kubeconfig, namespace, modulesDir }: Connections,
  defer: (message: ServiceBusReceivedMessage, stamp: Record<string, string>) => Promise<void>,
) {
  const connection = { kind: "connectionString", value: storage } as const;
  const table = makeAzureTable({ connection, tableName, instance: INSTANCE, clock: systemClock });
  const cluster = makeKubernetesJobs({ kubeconfig, namespace, instance: INSTANCE });
  const [module] = loadModules(modulesDir);
  if (!module) throw new Error(`no module in ${modulesDir}`);
  await table.registerSource(SOURCE);
  const stamp = ownerStamp(await table.owner());
  const stampProperties = Object.fromEntries(Object.entries(stamp).map(([name, value]) => [name, String(value)]));

  return async (message: ServiceBusReceivedMessage): Promise<void> => {
    const sequenceNumber = Number(message.sequenceNumber);
    const enqueuedAt = message.enqueuedTimeUtc?.getTime() ?? 0;
    const run = runOf(module, { sequenceNumber, enqueuedAt, messageId: String(message.messageId) });
    const job = jobOf(run, module, namespace);
    const created = await cluster.create(job);
    if (created.kind !== "created") throw new Error(`the cluster did not create a Job (${created.kind})`);
    const known = { name: job.metadata?.name ?? "", uid: created.uid };
    await table.insert(dispatched(run, known, Date.now(), runningLimitMs(job.spec?.template.spec)));
    await defer(message, stampProperties);
  };
}
