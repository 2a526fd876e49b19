import type { TableCounts } from "../../local/table-server/start-table-server.ts";
import { Deliveries } from "../deliveries.ts";
import { cpuMs } from "../processes.ts";
import { makeSending } from "../sending.ts";
import { USUAL_TICKS } from "../ticking.ts";
import { type Pair, withBoth } from "./pair.ts";
import { countsBetween } from "./table-counts.ts";
import { FULL, ROOMY, type World } from "./world.ts";

/** How many messages of each kind come before anything is measured, so that code and connections are warm. */
const WARM_UP = 200;
/** How many messages the counted requests are shared out among. */
const COUNTED = 100;
/** A schedule that has no tick during a bench, so that no request of a tick is counted. */
const NO_TICKS = "0 0 0 1 1 *";

/** The kinds of messages, by what becomes of them, and the queues to which they are sent. */
const KINDS = { starts: ROOMY, waits: FULL } as const;

/** A figure of each kind. */
export type OfKinds<T> = Readonly<Record<keyof typeof KINDS, T>>;

export interface MessageFigures {
  /** Processor ms of the app's process for each message, in each round. */
  readonly cpuMs: OfKinds<readonly number[]>;
  readonly peakMib: number | undefined;
}

/** Measures accepting so many messages of each kind in each round, in both worlds in turn. */
export async function measureMessages(
  worlds: Pair<World>,
  { rounds, messages }: { readonly rounds: number; readonly messages: number },
): Promise<Pair<MessageFigures>> {
  const apps = await withBoth(worlds, async (world) => ({
    app: await startAccepting(world, USUAL_TICKS),
    cpuMs: { starts: [] as number[], waits: [] as number[] },
  }));
  const each = [apps.none, apps.many];
  for (const { app } of each) await inTurn((kind) => app.accept(kind, WARM_UP));
  for (let round = 0; round < rounds; round += 1) {
    await inTurn(async (kind) => {
      for (const { app, cpuMs } of each) cpuMs[kind].push(await app.accept(kind, messages));
    });
    // The other world is first in the next round.
    each.reverse();
  }
  return withBoth(apps, async ({ app, cpuMs }) => ({ cpuMs, peakMib: await app.stop() }));
}

/**
 * Counts what a message asks of the table until its delivery is handled, while many come at once, and without what
 * ticks ask.
 */
export async function countMessages(world: World): Promise<OfKinds<TableCounts>> {
  const app = await startAccepting(world, NO_TICKS);
  const count = async (kind: keyof typeof KINDS) => {
    // The first messages cost more, because the app counts the runs at work.
    await app.accept(kind, COUNTED);
    const before = world.tables.counts();
    await app.accept(kind, COUNTED);
    return countsBetween(before, world.tables.counts(), COUNTED);
  };
  const counts = { starts: await count("starts"), waits: await count("waits") };
  await app.stop();
  return counts;
}

async function inTurn(act: (kind: keyof typeof KINDS) => Promise<unknown>): Promise<void> {
  await act("starts");
  await act("waits");
}

/** A running app that messages are sent to. */
interface AcceptingApp {
  /**
   * Sends messages, and resolves when their deliveries are handled: to the processor ms of each, or NaN if the platform
   * doesn't tell.
   */
  accept(kind: keyof typeof KINDS, messages: number): Promise<number>;
  stop(): Promise<number | undefined>;
}

async function startAccepting({ servers }: World, schedule: string): Promise<AcceptingApp> {
  const deliveries = new Deliveries();
  const app = await servers.startApp({ schedule, onLine: deliveries.take });
  const cpu = async () => (await cpuMs(app.pid)) ?? Number.NaN;
  return {
    async accept(kind, messages) {
      const sending = makeSending(servers.connections.serviceBus, { queues: [KINDS[kind]] });
      const goal = deliveries.count + messages;
      const before = await cpu();
      await sending.send(messages);
      await deliveries.until(goal);
      const after = await cpu();
      await sending.close();
      return (after - before) / messages;
    },
    stop: () => app.stop(),
  };
}
