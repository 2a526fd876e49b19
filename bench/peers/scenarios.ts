import { setTimeout as wait } from "node:timers/promises";
import { eventually } from "../../real-cluster/server-process.ts";
import { spentMs } from "../processes.ts";
import { requestsOf } from "./account.ts";
import type { Contender, Stage } from "./contender.ts";
import { type Fate, fateOf } from "./fate.ts";
import { type Kind, type Order, ordersOf } from "./order.ts";

export interface PeersOptions {
  /** How many single messages are sent. */
  readonly singles: number;
  /** How many messages are sent at once. */
  readonly burst: number;
  /** How long contenders are watched that have nothing to do, or a broken image. */
  readonly watchSeconds: number;
}

/** What something cost a contender's process and the API server. */
interface Cost {
  readonly cpuMs: number;
  readonly requests: number;
}

/** Messages that were sent, and what came of them. */
export interface Wave {
  readonly fates: readonly Fate[];
  /** How many workers found no message. */
  readonly idleWorkers: number;
  readonly cost: Cost;
}

/** Everything that is measured of a contender. */
export interface ContenderFigures {
  readonly name: string;
  /** What a minute costs without messages. */
  readonly idle: Cost;
  readonly singles: Wave;
  readonly burst: Wave;
  /** Messages whose workers always die, and good ones that were sent right after them. */
  readonly dying: { readonly dead: readonly Fate[]; readonly good: readonly Fate[]; readonly idleWorkers: number };
  readonly broken: BrokenFigures;
}

/** Messages for a template whose image does not exist, and good ones that were sent right after them. */
interface BrokenFigures {
  readonly fates: readonly Fate[];
  readonly good: readonly Fate[];
  /** How many Jobs of the broken template there are in the end, and how many of these hold a slot. */
  readonly jobs: number;
  readonly jobsAtWork: number;
}

/** The time between single messages. */
export const PACE_MS = 4000;
/** How many messages have workers that always die, or a broken image, and how many good ones come after them. */
export const BAD = { dying: 5, broken: 20 } as const;
export const GOOD = 20;
/** How long nothing may be gone from the bus before the others are given up. A ScaledJob has polls of 30 s. */
const PATIENCE_MS = 180_000;
/** How long a contender may still work after the last message. A worker without a message waits for 10 s. */
const REST_MS = 15_000;

/** Measures one contender. */
export async function measureContender(
  stage: Stage,
  contender: Contender,
  { singles, burst, watchSeconds }: PeersOptions,
): Promise<ContenderFigures> {
  const say = (what: string) => stage.progress(`${contender.name}: ${what}`);
  await wait(REST_MS);
  say(`idle for ${watchSeconds} s`);
  const idle = await measureIdle(stage, contender, watchSeconds);
  say(`${singles} single messages`);
  const ofSingles = await measureWave(stage, contender, ordersOf(`${contender.id}-single`, singles), PACE_MS);
  say(`${burst} messages at once`);
  const ofBurst = await measureWave(stage, contender, ordersOf(`${contender.id}-burst`, burst));
  say("workers that always die");
  const dying = await measureDying(stage, contender);
  say(`a broken image for ${watchSeconds} s`);
  const broken = await measureBroken(stage, contender, watchSeconds);
  return { name: contender.name, idle, singles: ofSingles, burst: ofBurst, dying, broken };
}

async function measureIdle(stage: Stage, contender: Contender, seconds: number): Promise<Cost> {
  const costSince = await startCosts(stage, contender);
  await wait(seconds * 1000);
  const { cpuMs, requests } = await costSince();
  const minutes = seconds / 60;
  return { cpuMs: cpuMs / minutes, requests: requests / minutes };
}

/** Sends orders, all at once or at a pace, and waits until they are gone. */
async function measureWave(
  stage: Stage,
  contender: Contender,
  orders: readonly Order[],
  paceMs?: number,
): Promise<Wave> {
  const costSince = await startCosts(stage, contender);
  const idleBefore = stage.reports.idle();
  if (paceMs === undefined) await send(stage, contender, "work", orders);
  else await atPace(orders, paceMs, (order) => send(stage, contender, "work", [order]));
  await untilGone(stage, orders);
  await wait(REST_MS);
  return {
    fates: fatesOf(stage, orders),
    idleWorkers: stage.reports.idle() - idleBefore,
    cost: await costSince(),
  };
}

async function measureDying(stage: Stage, contender: Contender): Promise<ContenderFigures["dying"]> {
  const idleBefore = stage.reports.idle();
  const dead = ordersOf(`${contender.id}-dead`, BAD.dying, { dies: true });
  const good = ordersOf(`${contender.id}-beside-dead`, GOOD);
  await send(stage, contender, "dying", dead);
  await send(stage, contender, "dying", good);
  await untilGone(stage, [...dead, ...good]);
  await wait(REST_MS);
  return {
    dead: fatesOf(stage, dead),
    good: fatesOf(stage, good),
    idleWorkers: stage.reports.idle() - idleBefore,
  };
}

async function measureBroken(stage: Stage, contender: Contender, seconds: number): Promise<BrokenFigures> {
  const broken = ordersOf(`${contender.id}-broken`, BAD.broken);
  const good = ordersOf(`${contender.id}-beside-broken`, GOOD);
  await send(stage, contender, "broken", broken);
  await send(stage, contender, "good", good);
  await wait(seconds * 1000);
  const { admin, namespace } = stage.cluster;
  const jobs = await admin.list(`/apis/batch/v1/namespaces/${namespace}/jobs`, { labelSelector: contender.brokenJobs });
  return {
    fates: fatesOf(stage, broken),
    good: fatesOf(stage, good),
    jobs: jobs.length,
    jobsAtWork: jobs.filter(({ cells: [, state] }) => state === "Running").length,
  };
}

/** Does something with each thing, one every so many ms. */
export async function atPace<T>(things: readonly T[], paceMs: number, act: (thing: T) => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  for (const [n, thing] of things.entries()) {
    await wait(Math.max(0, startedAt + n * paceMs - performance.now()));
    await act(thing);
  }
}

function send({ bus }: Stage, contender: Contender, kind: Kind, orders: readonly Order[]): Promise<void> {
  return bus.send(contender.queueOf(kind), kind, orders);
}

/** Resolves when all messages are gone from the bus, or when none has gone for a long time. */
async function untilGone({ bus, progress }: Stage, orders: readonly Order[]): Promise<void> {
  const gone = () => orders.filter(({ id }) => bus.passages.of(id)?.goneAt !== undefined).length;
  for (let before = -1; gone() < orders.length; ) {
    if (gone() === before) {
      progress(`${orders.length - before} of ${orders.length} messages are still there; going on without them`);
      return;
    }
    before = gone();
    const atLeast = before;
    await eventually(PATIENCE_MS, () => gone() > atLeast);
  }
}

function fatesOf({ bus, reports }: Stage, orders: readonly Order[]): Fate[] {
  return orders.map(({ id }) => fateOf(bus.passages.of(id) ?? { enqueuedAt: Number.NaN }, reports.of(id)));
}

/** Begins to count. Resolves to a function that tells the cost since then. */
async function startCosts({ cluster }: Stage, { pid, account }: Contender): Promise<() => Promise<Cost>> {
  const look = async (): Promise<Cost> => ({
    requests: await requestsOf(cluster.admin, account),
    cpuMs: await spentMs(pid),
  });
  const before = await look();
  return async () => {
    const after = await look();
    return { requests: after.requests - before.requests, cpuMs: after.cpuMs - before.cpuMs };
  };
}
