import { ServiceBusClient } from "@azure/service-bus";
import { BlobServiceClient } from "@azure/storage-blob";
import Long from "long";
import pLimit from "p-limit";
import { z } from "zod";
import { BareCluster, type Row, readAccess } from "../local/kit/cluster-access.ts";
import { LABELS } from "../shared/jobs/job-identity.ts";
import { type Accepted, acceptBare, bareTable } from "./bare-accept.ts";
import { makeBareTick } from "./bare-tick.ts";
import type { Connections } from "./servers.ts";

/**
 * The app's own values: runs advanced at once, time between ticks, lines of a log that are read, time that an ended Job
 * is kept.
 */
const CONCURRENCY = 16;
const TICK_MS = 10_000;
const LOG_LINES = 32_768;
const RETENTION_SECONDS = 3_600;

const named = z.object({ metadata: z.object({ name: z.string(), uid: z.string() }) });
const pods = z.object({ items: z.array(named) });

/**
 * Accepts a queue's messages. At each tick, which comes as often as the app's, it settles the messages whose Jobs have
 * finished. For each of these it replaces the row, gets the Job, lists its pods, gets the log and stores it, replaces
 * the row again, patches the Job, receives the message and completes it, and closes the rows in a transaction.
 */
export async function followBare(
  connections: Connections,
  queue: string,
  say: (fields: object) => void,
): Promise<void> {
  const accepted = new Map<string, Accepted>();
  const tick = await makeBareTick(connections);
  const settle = await makeSettle(connections, queue);
  await acceptBare(connections, [queue], say, (message) => {
    accepted.set(message.jobName, message);
    say({ message: "started a job", messageId: message.jobName, jobName: message.jobName });
  });

  async function settleFinished(jobs: readonly Row[]): Promise<void> {
    const finished = jobs.flatMap(({ cells: [name, state] }) => {
      const message = state === "Complete" ? accepted.get(String(name)) : undefined;
      return message === undefined ? [] : [message];
    });
    await pLimit(CONCURRENCY).map(finished, async (message) => {
      await settle(message);
      accepted.delete(message.jobName);
      say({ message: "closed a run", messageId: message.jobName });
    });
  }

  async function tickAgain(): Promise<void> {
    const startedAt = performance.now();
    const { open, jobs, pods } = await tick(settleFinished);
    say({ ms: performance.now() - startedAt, open, jobs: jobs.length, pods });
    later();
  }
  // Ticks at the same seconds of the clock as the app.
  const later = () => setTimeout(() => void tickAgain(), TICK_MS - (Date.now() % TICK_MS));
  later();
}

async function makeSettle(connections: Connections, queue: string) {
  const { serviceBus, storage, kubeconfig, namespace } = connections;
  const table = bareTable(connections);
  const receiver = new ServiceBusClient(serviceBus).createReceiver(queue, { skipParsingBodyAsJson: true });
  const cluster = new BareCluster(await readAccess(kubeconfig));
  const logs = BlobServiceClient.fromConnectionString(storage).getContainerClient("bench-bare-logs");
  await logs.createIfNotExists();
  const podsPath = `/api/v1/namespaces/${namespace}/pods`;

  return async ({ sequenceNumber, jobName, open, etag, mark }: Accepted): Promise<void> => {
    const concluded = await table.updateEntity(open, "Replace", { etag });
    const jobPath = `/apis/batch/v1/namespaces/${namespace}/jobs/${jobName}`;
    const { metadata } = named.parse(JSON.parse(await cluster.ask("GET", jobPath)));
    const list = await cluster.ask("GET", `${podsPath}?labelSelector=batch.kubernetes.io/job-name=${jobName}`);
    for (const pod of pods.parse(JSON.parse(list)).items) {
      const path = `${podsPath}/${pod.metadata.name}/log?container=worker&tailLines=${LOG_LINES}`;
      const log = Buffer.from(await cluster.ask("GET", path));
      await logs.getBlockBlobClient(`${jobName}/worker.log`).uploadData(log);
    }
    await table.updateEntity(open, "Replace", { etag: concluded.etag ?? "" });
    const patch = {
      metadata: { uid: metadata.uid, labels: { [LABELS.retired]: "true" } },
      spec: { ttlSecondsAfterFinished: RETENTION_SECONDS },
    };
    await cluster.ask("PATCH", jobPath, { body: JSON.stringify(patch) });
    const [message] = await receiver.receiveDeferredMessages(Long.fromNumber(sequenceNumber));
    if (!message) throw new Error(`the bus did not return deferred message ${sequenceNumber}`);
    await receiver.completeMessage(message);
    await table.submitTransaction([
      ["delete", open],
      ["update", mark, "Replace"],
    ]);
  };
}
