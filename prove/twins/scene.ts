import { EventEmitter, once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { TableClient } from "@azure/data-tables";
import { ServiceBusClient } from "@azure/service-bus";
import { BatchV1Api, KubeConfig, PatchStrategy, setHeaderOptions, type V1Job } from "@kubernetes/client-node";
import pLimit from "p-limit";
import { kubeconfigText } from "../../local/cluster/kubeconfig.ts";
import { type ClusterHands, clusterHands } from "../../local/kit/cluster-hands.ts";
import type { Records } from "../audit/audit.ts";
import { readRecords } from "../audit/read-records.ts";
import type { ServerName } from "../faults/edges.ts";
import type { KindName, PlannedMessage } from "../stage/kinds.ts";
import { makeSender } from "../stage/sender.ts";
import type { Stage } from "../stage/stage.ts";
import type { Script } from "./script.ts";

/** How long a story waits for one thing to happen. */
const PATIENCE_MS = 90_000;
const LOOK_MS = 100;
const SENT_AT_ONCE = 50;
const MERGE_PATCH = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);

/** The tools that a story is told with. */
export interface Scene {
  readonly script: Script;
  readonly cluster: ClusterHands;
  /** Sends a message of this kind. Resolves to its id, which is the kind and a number. */
  readonly send: (kind: KindName) => Promise<string>;
  /** Sends so many messages of this kind, in no order. */
  readonly sendMany: (kind: KindName, count: number) => Promise<void>;
  /** Freezes a replica, counted from 0. Returns the function that wakes it. */
  readonly freeze: (replica: number) => () => void;
  /** Breaks every connection of the replicas to a server. They may connect again at once. */
  readonly disconnect: (server: ServerName) => void;
  /** Deletes every queue and topic and makes it again, so that new messages get the old numbers. */
  readonly recreateBus: () => Promise<void>;
  readonly records: () => Promise<Records>;
  /** Reads the records until this is true of them. Resolves to them. Rejects if that takes too long. */
  readonly until: (what: string, holds: (records: Records) => boolean) => Promise<Records>;
  /** The table of the instance, for what a story does to rows by hand. */
  readonly table: TableClient;
  /** Deletes all rows that speak of runs. */
  readonly loseRows: () => Promise<void>;
  /** Reads a Job. */
  readonly job: (name: string) => Promise<V1Job>;
  /** Ends a Job, by a deadline that passes at once. */
  readonly endJob: (name: string) => Promise<void>;
}

/** Makes the tools of one story. */
export function makeScene(stage: Stage, script: Script): Scene {
  const { servers } = stage;
  const { namespace } = servers.cluster;
  const sent: PlannedMessage[] = [];
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromString(kubeconfigText({ name: "proof", ...servers.cluster }));
  const batch = kubeConfig.makeApiClient(BatchV1Api);
  const table = TableClient.fromConnectionString(servers.storage, servers.tableName, { allowInsecureConnection: true });
  const records = () => readRecords(servers, sent);
  const sendMany = async (kind: KindName, count: number) => {
    // There is a new client each time, because the bus may have been recreated since the last one.
    const client = new ServiceBusClient(servers.serviceBus);
    const sendOne = makeSender(client);
    await pLimit(SENT_AT_ONCE).map(Array.from({ length: count }), () => {
      const message = { id: `${kind.replaceAll(/[^a-z]+/g, "-")}-${sent.length + 1}`, kind };
      sent.push(message);
      return sendOne(message);
    });
    await client.close();
  };
  return {
    script,
    cluster: clusterHands(kubeConfig, namespace),
    async send(kind) {
      await sendMany(kind, 1);
      return sent.at(-1)?.id ?? "";
    },
    sendMany,
    freeze(replica) {
      const alarm = new EventEmitter();
      void stage.replicas[replica]?.freezeUntil(once(alarm, "wake"));
      return () => alarm.emit("wake");
    },
    disconnect(server) {
      stage.gates[server].close();
      stage.gates[server].open();
    },
    recreateBus: () => stage.recreateBus(),
    records,
    async until(what, holds) {
      const deadline = performance.now() + PATIENCE_MS;
      for (;;) {
        const now = await records();
        if (holds(now)) return now;
        if (performance.now() > deadline) throw new Error(`it never came about: ${what}`);
        await sleep(LOOK_MS);
      }
    },
    table,
    async loseRows() {
      for await (const { partitionKey = "", rowKey = "" } of table.listEntities())
        if (/^(work|wait|later|hold|run|msg|corr|dead)\|/.test(rowKey)) await table.deleteEntity(partitionKey, rowKey);
    },
    job: (name) => batch.readNamespacedJob({ name, namespace }),
    async endJob(name) {
      await batch.patchNamespacedJob({ name, namespace, body: { spec: { activeDeadlineSeconds: 1 } } }, MERGE_PATCH);
    },
  };
}

/** Counts the workers that have started with this attempt, of whatever run. */
export function starts({ ledger }: Records, attempt: number): number {
  return ledger.filter((line) => line.what === "start" && line.attempt === attempt).length;
}

/** Tells whether a finding is about this message, by its id or by the id of one of its runs. */
export function isAbout(messageId: string, about: string, { open, closed, bus, ledger }: Records): boolean {
  const known = [...open, ...closed, ...bus, ...ledger];
  return about === messageId || known.some((entry) => entry.messageId === messageId && entry.runId === about);
}
