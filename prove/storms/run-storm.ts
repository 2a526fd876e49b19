import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBusClient } from "@azure/service-bus";
import { audit, type Books, type Finding } from "../audit/audit.ts";
import { readBooks } from "../audit/books.ts";
import { Director } from "../faults/director.ts";
import type { Planned } from "../stage/kinds.ts";
import { makeSender } from "../stage/sender.ts";
import { startStage } from "../stage/stage.ts";
import { LogBook } from "./log-book.ts";
import type { Check, Scene, Storm, StormSize } from "./storm.ts";

/** Dispatchers that share the work. */
const PROCESSES = 2;
/** Messages that are sent at the same time. */
const SENDERS = 16;
const LOOK_MS = 1_000;

export interface StormOptions {
  readonly storm: Storm;
  readonly size: StormSize;
  readonly lockMs: number;
  readonly app: string;
  /** How long it may take until everything is at rest, once each thing that the storm waits for has come about or not. */
  readonly patienceMs: number;
  readonly onLine: (who: string, line: string) => void;
  readonly onProgress: (text: string) => void;
}

export interface StormResult {
  readonly books: Books;
  /** Those that the storm doesn't allow. */
  readonly findings: readonly Finding[];
  readonly checks: readonly Check[];
  readonly deaths: readonly string[];
  readonly seconds: number;
}

/** Lets one storm rage, waits until everything is at rest, and judges what is left. */
export async function runStorm(options: StormOptions): Promise<StormResult> {
  const { storm, size, lockMs, patienceMs, onProgress } = options;
  const startedAt = performance.now();
  const deaths: string[] = [];
  const lines = new LogBook();
  // Nobody is killed here: whatever is bad comes by the gates, the stand-ins and the clocks.
  const director = new Director({ faults: [], blows: [], outages: [] }, []);
  const stage = await startStage({
    processes: PROCESSES,
    lockMs,
    app: options.app,
    director: () => director,
    environmentOf: (slot) => storm.environmentOf?.(slot) ?? {},
    onLine: (who, line) => {
      lines.note(who, line, Date.now());
      options.onLine(who, line);
    },
    onDeath: (words) => deaths.push(words),
  });
  const client = new ServiceBusClient(stage.servers.serviceBus);
  try {
    const sent: Planned[] = [];
    const sendOne = makeSender(client);
    const until: Scene["until"] = (isSo) => comesAbout(isSo, patienceMs);
    const judge = await storm.rage({
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
    let books = await readBooks(stage.servers, sent);
    await until(async () => {
      books = await readBooks(stage.servers, sent);
      return audit(books).every(({ verdict }) => verdict !== "open" && verdict !== "orphan");
    });
    return {
      books,
      findings: [...audit(books), ...(await stage.leaks())].filter(
        (finding) => storm.allows?.(finding, books) !== true,
      ),
      checks: judge(books),
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

async function atOnce(messages: readonly Planned[], send: (message: Planned) => Promise<void>): Promise<void> {
  const queue = messages.values();
  await Promise.all(
    Array.from({ length: SENDERS }, async () => {
      for (const message of queue) await send(message);
    }),
  );
}
