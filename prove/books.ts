import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { json } from "node:stream/consumers";
import { TableClient } from "@azure/data-tables";
import { ServiceBusClient, type ServiceBusReceivedMessage } from "@azure/service-bus";
import { BlobServiceClient } from "@azure/storage-blob";
import Long from "long";
import { z } from "zod";
import type { ClusterAccess } from "../bench/cluster-access.ts";
import type { Books, BusMessage, JobRecord, RunRow } from "./audit.ts";
import { type Planned, QUEUE, SUBSCRIPTION, TOPIC } from "./kinds.ts";
import { readLedger } from "./ledger.ts";
import { STRANGER } from "./sender.ts";

/** The servers themselves, with nothing in between. */
export interface Servers {
  readonly serviceBus: string;
  readonly storage: string;
  readonly tableName: string;
  readonly cluster: ClusterAccess;
  readonly ledger: string;
}

const SOURCES = [
  { name: QUEUE, open: { queue: QUEUE } },
  { name: `${TOPIC}/${SUBSCRIPTION}`, open: { topic: TOPIC, subscription: SUBSCRIPTION } },
] as const;

/** Reads all books, each through its server's own protocol. */
export async function readBooks(servers: Servers, sent: readonly Planned[]): Promise<Books> {
  const [bus, table, jobs, bodies, ledger] = await Promise.all([
    readBus(servers.serviceBus),
    readTable(servers),
    readJobs(servers.cluster),
    readBodies(servers.storage),
    readFile(servers.ledger, "utf8").then(readLedger),
  ]);
  return { sent, ...bus, ...table, jobs, bodies, ledger };
}

/** Reads what the bus holds. */
export async function readBus(connectionString: string): Promise<Pick<Books, "bus" | "deadLetters" | "strangers">> {
  const client = new ServiceBusClient(connectionString);
  try {
    const bus: BusMessage[] = [];
    const deadLetters: BusMessage[] = [];
    for (const source of SOURCES) {
      bus.push(...(await peekAll(client, source, undefined)));
      deadLetters.push(...(await peekAll(client, source, "deadLetter")));
    }
    return {
      bus: bus.filter((message) => !isStranger(message)),
      deadLetters,
      strangers: bus.filter(isStranger).length,
    };
  } finally {
    await client.close();
  }
}

function isStranger({ messageId, state }: BusMessage): boolean {
  return messageId.startsWith(STRANGER) && state === "deferred";
}

async function peekAll(
  client: ServiceBusClient,
  { name, open }: (typeof SOURCES)[number],
  subQueueType: "deadLetter" | undefined,
): Promise<BusMessage[]> {
  const options = { skipParsingBodyAsJson: true, ...(subQueueType === undefined ? {} : { subQueueType }) };
  const receiver =
    "queue" in open
      ? client.createReceiver(open.queue, options)
      : client.createReceiver(open.topic, open.subscription, options);
  const found: ServiceBusReceivedMessage[] = [];
  for (;;) {
    const next = found.at(-1)?.sequenceNumber?.add(1) ?? Long.ONE;
    const page = await receiver.peekMessages(250, { fromSequenceNumber: next });
    if (page.length === 0) break;
    found.push(...page);
  }
  await receiver.close();
  return found.map((message) => ({
    runId: `${name}:${message.sequenceNumber?.toString()}:${message.enqueuedTimeUtc?.getTime()}`,
    messageId: String(message.messageId),
    state: message.state === "deferred" ? "deferred" : "active",
    deliveryCount: message.deliveryCount ?? 0,
    ...(message.deadLetterReason === undefined ? {} : { reason: message.deadLetterReason }),
  }));
}

const row = z.object({
  status: z.string(),
  messageId: z.string(),
  sequenceNumber: z.bigint(),
  enqueuedAt: z.date(),
  verdictReason: z.string().optional(),
  attempt: z.number().default(0),
  failures: z.number().default(0),
  interruptions: z.number().default(0),
});

async function readTable({ storage, tableName }: Servers): Promise<Pick<Books, "open" | "marks" | "closed">> {
  const table = TableClient.fromConnectionString(storage, tableName, { allowInsecureConnection: true });
  const open: RunRow[] = [];
  const closed: RunRow[] = [];
  const marks: string[] = [];
  for await (const entity of table.listEntities()) {
    const [kind] = (entity.rowKey ?? "").split("|");
    if (kind !== "open" && kind !== "run") continue;
    const { sequenceNumber, enqueuedAt, verdictReason, ...facts } = row.parse(entity);
    const source = entity.partitionKey?.includes("|t|") ? `${TOPIC}/${SUBSCRIPTION}` : QUEUE;
    const runId = `${source}:${sequenceNumber}:${enqueuedAt.getTime()}`;
    const run = { runId, ...facts, ...(verdictReason === undefined ? {} : { reason: verdictReason }) };
    if (kind === "open") open.push(run);
    else if (facts.status === "open") marks.push(runId);
    else closed.push(run);
  }
  return { open, marks, closed };
}

/** The names of the modules whose rows say that they are paused. */
export async function readPauses({ storage, tableName }: Servers): Promise<string[]> {
  const table = TableClient.fromConnectionString(storage, tableName, { allowInsecureConnection: true });
  const paused: string[] = [];
  for await (const { rowKey = "", ...columns } of table.listEntities())
    if (rowKey.startsWith("module|") && "pausedAt" in columns) paused.push(rowKey.slice("module|".length));
  return paused;
}

const jobList = z.object({
  metadata: z.object({ continue: z.string().optional() }),
  items: z.array(
    z.object({
      metadata: z.object({
        name: z.string(),
        labels: z.record(z.string(), z.string()).default({}),
        annotations: z.record(z.string(), z.string()).default({}),
      }),
    }),
  ),
});

async function readJobs(access: ClusterAccess): Promise<JobRecord[]> {
  const jobs: JobRecord[] = [];
  let token: string | undefined;
  do {
    const query = new URLSearchParams({ limit: "500", ...(token === undefined ? {} : { continue: token }) });
    const path = `/apis/batch/v1/namespaces/${access.namespace}/jobs?${query.toString()}`;
    const { metadata, items } = jobList.parse(await getJson(access, path));
    for (const { metadata: job } of items)
      jobs.push({
        name: job.name,
        runId: job.annotations["ion/run-id"] ?? "",
        isSettled: job.labels["ion/settled"] === "true",
      });
    token = metadata.continue;
  } while (token !== undefined && token !== "");
  return jobs;
}

function getJson({ server, token, ca }: ClusterAccess, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request(server + path, { ca, headers: { authorization: `Bearer ${token}` } }, (answer) => {
      if (answer.statusCode === 200) json(answer).then(resolve, reject);
      else reject(new Error(`the cluster answered ${answer.statusCode} to ${path}`));
    })
      .once("error", reject)
      .end();
  });
}

/** `<instance>/<kind>/<names>/<sequence number>-<enqueued ms>/body`. */
async function readBodies(connectionString: string): Promise<string[]> {
  const container = BlobServiceClient.fromConnectionString(connectionString).getContainerClient("dispatcher-payloads");
  if (!(await container.exists())) return [];
  const ids: string[] = [];
  for await (const { name } of container.listBlobsFlat()) {
    const parts = name.split("/");
    const [number = "", enqueuedAt = ""] = (parts.at(-2) ?? "").split("-");
    ids.push(`${parts.slice(2, -2).join("/")}:${Number(number)}:${enqueuedAt}`);
  }
  return ids;
}
