import type { TableCounts } from "../../local/table-server/start-table-server.ts";
import { type Accepted, type Accepting, makeAccepting } from "../accepting.ts";
import { Deliveries } from "../deliveries.ts";
import { NO_TICKS, USUAL_TICKS } from "../ticking.ts";
import { type Pair, withBoth } from "./pair.ts";
import { countsBetween } from "./table-counts.ts";
import { FULL, ROOMY, type World } from "./world.ts";

/** How many messages of each kind come before anything is measured, so that code and connections are warm. */
const WARM_UP = 200;
/** How many messages the counted requests are shared out among. */
const COUNTED = 100;

/** The kinds of messages: the queue to which each is sent, and the outcome of its delivery. */
const KINDS = { starts: [ROOMY, "dispatched"], waits: [FULL, "waiting"] } as const;

/** A figure of each kind. */
export type OfKinds<T> = Readonly<Record<keyof typeof KINDS, T>>;

export interface MessageFigures {
  /** Processor ms of the app's process for each message, in each round. */
  readonly cpuMs: OfKinds<readonly number[]>;
  readonly peakMib: number;
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
  for (const { app } of each) await inTurn((kind) => accept(app, kind, WARM_UP));
  for (let round = 0; round < rounds; round += 1) {
    await inTurn(async (kind) => {
      for (const { app, cpuMs } of each) cpuMs[kind].push((await accept(app, kind, messages)).cpuMs);
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
    await accept(app, kind, COUNTED);
    const before = world.tables.counts();
    await accept(app, kind, COUNTED);
    return countsBetween(before, world.tables.counts(), COUNTED);
  };
  const counts = { starts: await count("starts"), waits: await count("waits") };
  await app.stop();
  return counts;
}

function accept(app: Accepting, kind: keyof typeof KINDS, messages: number): Promise<Accepted> {
  const [queue, outcome] = KINDS[kind];
  return app.accept(queue, messages, outcome);
}

async function inTurn(act: (kind: keyof typeof KINDS) => Promise<unknown>): Promise<void> {
  await act("starts");
  await act("waits");
}

async function startAccepting({ servers }: World, schedule: string): Promise<Accepting> {
  const deliveries = new Deliveries();
  const app = await servers.startApp({ schedule, onLine: deliveries.take });
  return makeAccepting([app], deliveries, servers.connections);
}
