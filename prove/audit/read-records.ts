import { readFile } from "node:fs/promises";
import { TableClient } from "@azure/data-tables";
import { BlobServiceClient } from "@azure/storage-blob";
import { z } from "zod";
import type { ClusterAccess } from "../../local/kit/cluster-access.ts";
import { type PlannedMessage, QUEUE, SUBSCRIPTION, TOPIC } from "../stage/kinds.ts";
import { FOREIGN_PREFIX } from "../stage/sender.ts";
import type { BusMessage, JobRecord, NoteRow, Records, RunRow, Stamps } from "./audit.ts";
import { readLedger } from "./ledger.ts";
import { listJobs } from "./list-jobs.ts";
import { type Peeked, peekBus } from "./peek-bus.ts";

/** How the audit reaches the servers: directly, without the proxies that the replicas use. */
export interface Servers {
  readonly serviceBus: string;
  readonly storage: string;
  readonly tableName: string;
  readonly cluster: ClusterAccess;
  readonly ledger: string;
}

/** Reads all records, each by its server's own protocol. */
export async function readRecords(servers: Servers, sent: readonly PlannedMessage[]): Promise<Records> {
  const [bus, table, jobs, bodies, ledger] = await Promise.all([
    readBus(servers.serviceBus),
    readTable(servers),
    readJobs(servers.cluster),
    readBodies(servers.storage),
    readFile(servers.ledger, "utf8").then(readLedger),
  ]);
  return { sent, ...bus, ...table, jobs, bodies, ledger };
}

/** Reads the records of the bus alone. */
export async function readBus(connectionString: string): Promise<Pick<Records, "bus" | "deadLetters" | "foreign">> {
  const peeked = await peekBus(connectionString);
  const read = (isDeadLetter: boolean) => peeked.filter((each) => each.isDeadLetter === isDeadLetter).map(asBusMessage);
  const bus = read(false);
  return {
    bus: bus.filter((message) => !isForeign(message)),
    deadLetters: read(true),
    foreign: bus.filter(isForeign).length,
  };
}

function isForeign({ messageId, state }: BusMessage): boolean {
  return messageId.startsWith(FOREIGN_PREFIX) && state === "deferred";
}

function asBusMessage({ source, message }: Peeked): BusMessage {
  return {
    runId: `${source}:${message.sequenceNumber?.toString()}:${message.enqueuedTimeUtc?.getTime()}`,
    messageId: String(message.messageId),
    state: message.state === "deferred" ? "deferred" : "active",
    deliveryCount: message.deliveryCount ?? 0,
    ...(message.deadLetterReason === undefined ? {} : { reason: message.deadLetterReason }),
    stamps: stampsOf(message.applicationProperties ?? {}),
  };
}

function stampsOf({
  "dispatcher-run": run,
  "dispatcher-reason": reason,
  "dispatcher-attempt": attempt,
}: NonNullable<Peeked["message"]["applicationProperties"]>): Stamps {
  return {
    ...(typeof run === "string" ? { run } : {}),
    ...(typeof reason === "string" ? { reason } : {}),
    ...(typeof attempt === "number" ? { attempt } : {}),
  };
}

const row = z.object({
  status: z.string(),
  messageId: z.string(),
  correlationId: z.string().optional(),
  verdictReason: z.string().optional(),
  attempt: z.number().default(0),
  failures: z.number().default(0),
  interruptions: z.number().default(0),
  closedAt: z
    .date()
    .transform((date) => date.getTime())
    .optional(),
});

const key = z.object({
  partitionKey: z.string(),
  sequenceNumber: z.bigint(),
  enqueuedAt: z.date(),
  redrive: z.number().optional(),
});
const note = z.union([
  z.object({ id: z.string() }).transform(({ id }) => id),
  z.object({ reason: z.string() }).transform(({ reason }) => reason),
]);

const NOTES = ["msg", "corr", "dead"] as const;

async function readTable({
  storage,
  tableName,
}: Servers): Promise<Pick<Records, "open" | "marks" | "closed" | "notes">> {
  const table = TableClient.fromConnectionString(storage, tableName, { allowInsecureConnection: true });
  const open: RunRow[] = [];
  const closed: RunRow[] = [];
  const marks: string[] = [];
  const notes: NoteRow[] = [];
  for await (const entity of table.listEntities()) {
    const [kind] = (entity.rowKey ?? "").split("|");
    const noteKind = NOTES.find((each) => each === kind);
    if (noteKind) notes.push({ kind: noteKind, runId: runIdOf(entity), says: note.parse(entity) });
    const isOpen = ["work", "wait", "later", "hold"].includes(kind ?? "");
    if (!isOpen && kind !== "run") continue;
    const { correlationId, verdictReason, closedAt, ...facts } = row.parse(entity);
    const id = runIdOf(entity);
    const { redrive } = key.parse(entity);
    const run = {
      runId: originalIdOf(entity),
      ...(redrive === undefined ? {} : { redrive }),
      ...facts,
      ...(correlationId === undefined ? {} : { correlationId }),
      ...(verdictReason === undefined ? {} : { reason: verdictReason }),
      ...(closedAt === undefined ? {} : { closedAt }),
    };
    if (isOpen) open.push(run);
    else if (facts.status === "open") marks.push(id);
    else closed.push(run);
  }
  return { open, marks, closed, notes };
}

function runIdOf(entity: unknown): string {
  const { redrive } = key.parse(entity);
  return redrive === undefined ? originalIdOf(entity) : `${originalIdOf(entity)}:r${redrive}`;
}

function originalIdOf(entity: unknown): string {
  const { partitionKey, sequenceNumber, enqueuedAt } = key.parse(entity);
  const source = partitionKey.includes("|t|") ? `${TOPIC}/${SUBSCRIPTION}` : QUEUE;
  return `${source}:${sequenceNumber}:${enqueuedAt.getTime()}`;
}

/** Lists the modules whose rows say that they are tripped. */
export async function readTripped({ storage, tableName }: Servers): Promise<string[]> {
  const table = TableClient.fromConnectionString(storage, tableName, { allowInsecureConnection: true });
  const tripped: string[] = [];
  for await (const { rowKey = "", ...columns } of table.listEntities())
    if (rowKey.startsWith("module|") && "trippedAt" in columns) tripped.push(rowKey.slice("module|".length));
  return tripped;
}

const job = z.object({
  metadata: z.object({
    name: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
});

async function readJobs(access: ClusterAccess): Promise<JobRecord[]> {
  const jobs: JobRecord[] = [];
  for await (const object of listJobs(access)) {
    const { name, annotations, labels } = job.parse(object).metadata;
    jobs.push({ name, runId: annotations["ion/run-id"] ?? "", isRetired: labels["ion/retired"] === "true" });
  }
  return jobs;
}

/**
 * Lists the runs whose bodies are stored. A body's name is `<instance>/<kind>/<names>/<sequence number>-<enqueued
 * ms>/body`, with `redrive-<n>` before `body` for a redriven run.
 */
async function readBodies(connectionString: string): Promise<string[]> {
  const container = BlobServiceClient.fromConnectionString(connectionString).getContainerClient("dispatcher-payloads");
  if (!(await container.exists())) return [];
  const ids: string[] = [];
  for await (const { name } of container.listBlobsFlat()) {
    const [, source = "", number = "", enqueuedAt = "", redrive] =
      /^[^/]+\/[^/]+\/(.+)\/(\d+)-(\d+)(?:\/redrive-(\d+))?\/body$/.exec(name) ?? [];
    ids.push(`${source}:${Number(number)}:${enqueuedAt}${redrive === undefined ? "" : `:r${redrive}`}`);
  }
  return ids;
}
