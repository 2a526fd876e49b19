import { EventEmitter, once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { TableClient } from "@azure/data-tables";
import { ServiceBusClient } from "@azure/service-bus";
import { BatchV1Api, KubeConfig, PatchStrategy, setHeaderOptions, type V1Job } from "@kubernetes/client-node";
import { kubeconfigText } from "../../local/cluster/kubeconfig.ts";

import { type ClusterHands, clusterHands } from "../../local/kit/cluster-hands.ts";
import type { Books } from "../audit/audit.ts";
import { readBooks } from "../audit/books.ts";
import type { KindName, Planned } from "../stage/kinds.ts";
import { makeSender } from "../stage/sender.ts";
import type { Stage } from "../stage/stage.ts";
import type { Script } from "./script.ts";

/** How long a story waits for what has to come about in it. */
const PATIENCE_MS = 90_000;
const LOOK_MS = 100;
const MERGE_PATCH = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);

/** What a story is told with. */
export interface Scene {
  readonly script: Script;
  readonly cluster: ClusterHands;
  /** Sends a message of this kind. Resolves to its id: the kind and a number. */
  readonly send: (kind: KindName) => Promise<string>;
  /** Puts one Dispatcher to sleep. Resolves to what wakes it. */
  readonly putToSleep: (slot: number) => () => void;
  readonly recreateBus: () => Promise<void>;
  readonly books: () => Promise<Books>;
  /** Waits until the books say so. Rejects where they don't for too long. */
  readonly until: (what: string, holds: (books: Books) => boolean) => Promise<Books>;
  /** Deletes all rows that speak of runs. */
  readonly loseRows: () => Promise<void>;
  readonly job: (name: string) => Promise<V1Job>;
  /** Has a Job's deadline pass. */
  readonly endJob: (name: string) => Promise<void>;
}

export function makeScene(stage: Stage, script: Script): Scene {
  const { servers } = stage;
  const { namespace } = servers.cluster;
  const sent: Planned[] = [];
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromString(kubeconfigText({ name: "proof", ...servers.cluster }));
  const batch = kubeConfig.makeApiClient(BatchV1Api);
  const books = () => readBooks(servers, sent);
  return {
    script,
    cluster: clusterHands(kubeConfig, namespace),
    async send(kind) {
      const message = { id: `${kind.replaceAll(/[^a-z]+/g, "-")}-${sent.length + 1}`, kind };
      sent.push(message);
      // A client of its own: the bus may have been made again since the last one.
      const client = new ServiceBusClient(servers.serviceBus);
      await makeSender(client)(message);
      await client.close();
      return message.id;
    },
    putToSleep(slot) {
      const alarm = new EventEmitter();
      void stage.dispatchers[slot]?.freezeUntil(once(alarm, "wake"));
      return () => alarm.emit("wake");
    },
    recreateBus: () => stage.recreateBus(),
    books,
    async until(what, holds) {
      const deadline = performance.now() + PATIENCE_MS;
      for (;;) {
        const now = await books();
        if (holds(now)) return now;
        if (performance.now() > deadline) throw new Error(`it never came about: ${what}`);
        await sleep(LOOK_MS);
      }
    },
    async loseRows() {
      const table = TableClient.fromConnectionString(servers.storage, servers.tableName, {
        allowInsecureConnection: true,
      });
      for await (const { partitionKey = "", rowKey = "" } of table.listEntities())
        if (/^(open|run)\|/.test(rowKey)) await table.deleteEntity(partitionKey, rowKey);
    },
    job: (name) => batch.readNamespacedJob({ name, namespace }),
    async endJob(name) {
      await batch.patchNamespacedJob({ name, namespace, body: { spec: { activeDeadlineSeconds: 1 } } }, MERGE_PATCH);
    },
  };
}

/** How many workers of this attempt of anything have begun. */
export function starts({ ledger }: Books, attempt: number): number {
  return ledger.filter((line) => line.what === "start" && line.attempt === attempt).length;
}

/** Whether something that was found is about this message: its id, or a run of it. */
export function isAbout(messageId: string, about: string, { open, closed, bus, ledger }: Books): boolean {
  const known = [...open, ...closed, ...bus, ...ledger];
  return about === messageId || known.some((entry) => entry.messageId === messageId && entry.runId === about);
}
