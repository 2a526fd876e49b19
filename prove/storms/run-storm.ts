import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBusClient } from "@azure/service-bus";
import { untilAtRest } from "../audit/at-rest.ts";
import { audit, type Finding, type Records } from "../audit/audit.ts";
import { readRecords } from "../audit/read-records.ts";
import { FaultInjector } from "../faults/fault-injector.ts";
import { NO_FAULTS } from "../faults/plan.ts";
import type { PlannedMessage } from "../stage/kinds.ts";
import { makeSender } from "../stage/sender.ts";
import { type StageOptions, startStage } from "../stage/stage.ts";
import { LogBook } from "./log-book.ts";
import type { Check, Storm, StormContext, StormSize } from "./storm.ts";

/** How many replicas share the work. */
const REPLICAS = 2;
/** How many messages are sent at the same time. */
const SENDERS = 16;
const LOOK_MS = 1_000;

export interface StormOptions {
  readonly storm: Storm;
  readonly size: StormSize;
  readonly lockMs: number;
  readonly apps: StageOptions["apps"];
  /**
   * How long each thing that the storm waits for may take, and how long everything may take to come to rest in the end.
   */
  readonly patienceMs: number;
  readonly onLine: (who: string, line: string) => void;
  readonly onProgress: (text: string) => void;
}

export interface StormResult {
  readonly records: Records;
  /** What the audit found and the storm doesn't allow. */
  readonly findings: readonly Finding[];
  readonly checks: readonly Check[];
  readonly deaths: readonly string[];
  readonly seconds: number;
}

/** Runs one storm, waits until everything is at rest, and audits the records. */
export async function runStorm(options: StormOptions): Promise<StormResult> {
  const { storm, size, lockMs, patienceMs, onProgress } = options;
  const startedAt = performance.now();
  const deaths: string[] = [];
  const lines = new LogBook();
  // A storm has no faults at single calls. It acts by the gates, the servers and the clocks.
  const injector = new FaultInjector(NO_FAULTS, []);
  const stage = await startStage({
    replicas: REPLICAS,
    lockMs,
    apps: options.apps,
    handler: () => injector,
    hasManyRows: storm.hasManyRows === true,
    environmentOf: (replica) => storm.environmentOf?.(replica) ?? {},
    onLine: (who, line) => {
      lines.note(who, line, Date.now());
      options.onLine(who, line);
    },
    onDeath: (words) => deaths.push(words),
  });
  const client = new ServiceBusClient(stage.servers.serviceBus);
  try {
    const sent: PlannedMessage[] = [];
    const sendOne = makeSender(client);
    const until: StormContext["until"] = (isSo) => comesAbout(isSo, patienceMs);
    const finalChecks = await storm.run({
      stage,
      size,
      lockMs,
      lines,
      until,
      send: async (messages) => {
        sent.push(...messages);
        await atOnce(messages, sendOne);
      },
      say: onProgress,
    });
    const look = async () => {
      const records = await readRecords(stage.servers, sent);
      return { records, findings: audit(records) };
    };
    const { records, findings } = await untilAtRest(look, { patienceMs });
    return {
      records,
      findings: [...findings, ...(await stage.leaks())].filter((finding) => storm.allows?.(finding, records) !== true),
      checks: finalChecks(records),
      deaths,
      seconds: (performance.now() - startedAt) / 1000,
    };
  } finally {
    await client.close();
    await stage.close();
  }
}

async function comesAbout(isSo: () => Promise<boolean> | boolean, patienceMs: number): Promise<boolean> {
  const deadline = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) return false;
    await sleep(LOOK_MS);
  }
  return true;
}

async function atOnce(
  messages: readonly PlannedMessage[],
  send: (message: PlannedMessage) => Promise<void>,
): Promise<void> {
  const queue = messages.values();
  await Promise.all(
    Array.from({ length: SENDERS }, async () => {
      for (const message of queue) await send(message);
    }),
  );
}
