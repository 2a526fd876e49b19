import pLimit from "p-limit";
import rhea from "rhea";
import type { Entity } from "../../local/broker/entity.ts";
import { readContent, wrapChanges } from "../../local/broker/message-content.ts";
import type { Seed, TableServer } from "../../local/table-server/start-table-server.ts";
import { makeKubernetesJobs } from "../../shared/adapters/kubernetes/jobs.ts";
import { notedRow, openRowOf, runRow, sourcePartition } from "../../shared/adapters/tables/keys.ts";
import { writeMark, writeOpenRun } from "../../shared/adapters/tables/run-entity.ts";
import { makeAzureTable } from "../../shared/adapters/tables/run-table.ts";
import { searchRows } from "../../shared/adapters/tables/search-rows.ts";
import type { Step } from "../../shared/adapters/tables/transactions.ts";
import { type EpochMs, systemClock } from "../../shared/clock.ts";
import { runningLimitMs } from "../../shared/jobs/run-limits.ts";
import { filesOf } from "../../shared/judge/files-of.ts";
import type { Module } from "../../shared/modules/module.ts";
import { awaitStart, dispatched, held } from "../../shared/run/change-run.ts";
import type { GateState } from "../../shared/run/gate-state.ts";
import type { Properties } from "../../shared/run/message.ts";
import type { Run } from "../../shared/run/run.ts";
import { deferStamp } from "../../shared/run/stamp.ts";
import { INSTANCE, jobOf, runOf } from "../sample-run.ts";
import type { Connections } from "../servers.ts";

/** How many Jobs are created at once. */
const CONCURRENCY = 16;
/** How far away the time is that those wait for which are not due. */
const LATER_MS = 3_600_000;
/** What the messages of held runs would be rejected for. */
const PROBLEM = "/sizes: must be array";

/** What is put into the servers of one module. */
export interface Backlog {
  readonly module: Module;
  /** How many runs are at work: their Jobs run. They are the oldest. */
  readonly working: number;
  /** How many runs wait, and are due. */
  readonly waiting: number;
  /** How many runs wait for a time that is an hour away; none by default. */
  readonly later?: number;
  /** How many runs are held at the module's gate, which is shut then; none by default. */
  readonly held?: number;
}

/**
 * Puts a module's runs into the servers: their messages, deferred, into the bus; their rows into the table; and the
 * Jobs of those at work into the cluster. Messages and rows go straight into the servers' memory, because that many
 * requests would take an hour.
 */
export async function seed(
  connections: Connections,
  tables: TableServer,
  entity: Entity,
  { module, working, waiting, later = 0, held: standing = 0 }: Backlog,
): Promise<void> {
  const connection = { kind: "connectionString", value: connections.storage } as const;
  const { tableName } = connections;
  const table = makeAzureTable({ connection, tableName, instance: INSTANCE, clock: systemClock });
  await table.registerSource(module.source);
  const owner = await table.owner();
  const enqueue = makeEnqueue(entity, connections.body);
  const accept = (): Run => {
    const { message, defer } = enqueue();
    const run = runOf(module, message);
    defer(deferStamp(run, owner));
    return run;
  };

  const atWork = await pLimit(CONCURRENCY).map(Array.from({ length: working }, accept), makeStart(connections, module));
  tables.seed(tableName, rowsOf(atWork));
  const now = Date.now();
  const others = function* () {
    // One at a time, because all of them at once would take much memory.
    for (let made = 0; made < waiting; made += 1) yield awaitStart(accept(), now);
    for (let made = 0; made < later; made += 1) yield awaitStart(accept(), now + LATER_MS);
    for (let made = 0; made < standing; made += 1) yield held(accept(), module.name, PROBLEM);
  };
  tables.seed(tableName, rowsOf(others()));
  if (standing > 0) await table.saveGateState(shutGate(module, now), undefined);
}

/** Makes the rows of open runs as the app writes them. */
function* rowsOf(runs: Iterable<Run>): Iterable<Seed> {
  for (const run of runs) {
    const partitionKey = sourcePartition(INSTANCE, run.source);
    const rowKey = openRowOf(run, Date.now());
    const search = searchRows(run, partitionKey);
    yield { partitionKey, rowKey, columns: writeOpenRun(run) };
    yield { partitionKey, rowKey: runRow(run), columns: { ...writeMark(run, notedRow(rowKey)), ...search.columns } };
    yield* seedsOf(search.steps);
  }
}

/** Makes seeds of the rows that a transaction of the app would write. */
export function seedsOf(steps: readonly Pick<Step, "row">[]): Seed[] {
  return steps.map(({ row: { partitionKey, rowKey, ...columns } }) => ({ partitionKey, rowKey, columns }));
}

function shutGate(module: Module, since: EpochMs): GateState {
  const scope = { module: module.name };
  return { scope, files: filesOf(scope, [module]), status: "shut", rejected: [], problem: PROBLEM, since };
}

/** A message that was enqueued and is locked, with what the app knows of it. */
interface Enqueued {
  readonly message: { readonly sequenceNumber: number; readonly enqueuedAt: number; readonly messageId: string };
  readonly defer: (stamp: Properties) => void;
}

/** Makes the function that enqueues one message after the other, with the same body. */
function makeEnqueue(entity: Entity, body: string): () => Enqueued {
  const data = rhea.message.data_section(Buffer.from(body));
  const contentOf = (message_id: string) =>
    readContent(
      Buffer.from(rhea.message.encode({ message_id, content_type: "application/json", body: data })),
      Date.now(),
    );
  const shared = contentOf("").body;
  let made = 0;
  return () => {
    made += 1;
    const messageId = `backlog-${made}`;
    // The messages share the bytes of one body, because that many would take much memory.
    entity.enqueue({ ...contentOf(messageId), body: shared });
    const received = entity.receive("peekLock");
    if (received?.lock === undefined) throw new Error("the bus did not hand out the message that it was given");
    const { message, lock } = received;
    return {
      message: { sequenceNumber: message.sequenceNumber, enqueuedAt: message.enqueuedAt, messageId },
      defer: (stamp) => entity.settle(lock.token, { kind: "defer", properties: wrapChanges(stamp) }),
    };
  };
}

/** Makes the function that creates the Job of a run's first attempt. */
function makeStart({ kubeconfig, namespace }: Connections, module: Module): (run: Run) => Promise<Run> {
  const cluster = makeKubernetesJobs({ kubeconfig, namespace, instance: INSTANCE });
  return async (run) => {
    const job = jobOf(run, module, namespace);
    const created = await cluster.create(job);
    if (created.kind !== "created") throw new Error(`the cluster did not create a Job (${created.kind})`);
    const known = { name: job.metadata?.name ?? "", uid: created.uid };
    return dispatched(run, known, Date.now(), runningLimitMs(job.spec?.template.spec));
  };
}
