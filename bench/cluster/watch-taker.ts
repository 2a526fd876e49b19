import { setTimeout as wait } from "node:timers/promises";
import { Deliveries } from "../deliveries.ts";
import { cpuMs, type Program } from "../processes.ts";
import type { Sending } from "../sending.ts";
import type { Servers } from "../servers.ts";
import { Ticking } from "../ticking.ts";
import { type ApiServerUse, less, per } from "./api-server-use.ts";
import type { RealCluster } from "./real-cluster.ts";
import { Settlements } from "./settlements.ts";

export interface ClusterOptions {
  /** Jobs at work meanwhile. */
  readonly open: number;
  /** That come and go among them, so many a second. */
  readonly messages: number;
  readonly perSecond: number;
  /** Of body and properties together. */
  readonly messageKib: number;
  readonly ticks: number;
}

/** Processor ms by process. */
type Cpu = Readonly<Record<string, number>>;

/** What was seen of the app, or of those that make the bare calls, beside the Jobs at work. */
export interface Seen {
  readonly quiet: { readonly ms: readonly number[]; readonly use: ApiServerUse; readonly cpu: Cpu };
  /** While messages came and went: of each tick, and of each message. */
  readonly busy: { readonly ms: readonly number[]; readonly latenciesMs: readonly number[]; readonly cpu: Cpu };
  readonly peakMib: number | undefined;
}

/** What a measurement goes on with. */
export interface Stage {
  readonly servers: Servers;
  readonly cluster: RealCluster;
  /** To the queue of the Jobs that end by themselves. */
  readonly quick: Sending;
  readonly options: ClusterOptions;
  readonly progress: (what: string) => void;
}

/** A program under measurement, and what it says. */
export class Taker {
  readonly ticking = new Ticking();
  readonly deliveries = new Deliveries();
  readonly settlements = new Settlements();
  readonly onLine = (line: string): void => {
    this.ticking.take(line);
    this.deliveries.take(line);
    this.settlements.takeLine(line);
  };
}

/** What the control plane may do in a tick that is said to be quiet, ms of a processor: it goes on for minutes once all pods run. */
const REST_MS = 500;
/** After so many ticks it is measured all the same; the processor times in the report tell. */
const MOST_TICKS_TO_REST = 60;
/** The others of the control plane work only when asked. */
const OWN_WORK = ["kube-controller-manager", "kube-scheduler", "kwok"];

/** Watches a program: some ticks in which nothing happens, then messages that come and go. */
export async function watchTaker(stage: Stage, program: Program, taker: Taker): Promise<Seen> {
  const { servers, cluster, options, progress } = stage;
  const { ticking, settlements } = taker;
  await untilAtRest(stage, ticking);
  progress(`${options.ticks} ticks`);
  const cpu = () => cpuOf(program, servers, cluster);
  const [useBefore, cpuBefore] = [await cluster.use(), await cpu()];
  const ticksBefore = ticking.ticks.length;
  for (let tick = 0; tick < options.ticks; tick += 1) await ticking.next();
  const [useAfter, cpuAfter] = [await cluster.use(), await cpu()];
  const quiet = ticking.ticks.slice(ticksBefore, ticksBefore + options.ticks);
  const wrong = quiet.find(({ open, atWork }) => open !== options.open || atWork !== options.open);
  if (wrong) throw new Error(`a tick over ${options.open} active Jobs saw ${JSON.stringify(wrong)}`);

  progress(`${options.messages} messages come and go, ${options.perSecond} a second`);
  const watching = await cluster.admin.watchJobs(settlements.takeEvent);
  const goal = settlements.count + options.messages;
  const [busyBefore, cpuBusyBefore] = [ticking.ticks.length, await cpu()];
  await sendAtPace(stage, options.messages);
  await settlements.until(goal);
  await ticking.next();
  const cpuBusyAfter = await cpu();
  watching.stop();
  const peakMib = await program.stop();
  return {
    quiet: {
      ms: quiet.map(({ ms }) => ms),
      use: per(less(useAfter, useBefore), options.ticks),
      cpu: cpuPer(cpuBefore, cpuAfter, options.ticks),
    },
    busy: {
      ms: ticking.ticks.slice(busyBefore).map(({ ms }) => ms),
      latenciesMs: settlements.latenciesMs(),
      cpu: cpuPer(cpuBusyBefore, cpuBusyAfter, options.messages),
    },
    peakMib,
  };
}

/** Resolves at the end of a tick in which the control plane did hardly anything of its own. */
async function untilAtRest({ cluster, progress }: Stage, ticking: Ticking): Promise<void> {
  progress("waiting until the control plane is at rest");
  const worked = async () => {
    const spent = await Promise.all(OWN_WORK.map((name) => cpuMs(cluster.pids[name] ?? 0)));
    return spent.reduce<number>((sum, ms) => sum + (ms ?? 0), 0);
  };
  await ticking.next();
  for (let tick = 0; tick < MOST_TICKS_TO_REST; tick += 1) {
    const before = await worked();
    await ticking.next();
    if ((await worked()) - before < REST_MS) return;
  }
  progress("it is not, after all this time");
}

/** Sends so many messages whose Jobs end by themselves. */
export async function sendAtPace({ quick, options: { perSecond } }: Stage, count: number): Promise<void> {
  const startedAt = performance.now();
  for (let sent = 0; sent < count; sent += 1) {
    await wait(Math.max(0, startedAt + (sent * 1000) / perSecond - performance.now()));
    await quick.send(1);
  }
}

async function cpuOf(program: Program, { pids }: Servers, cluster: RealCluster): Promise<Cpu> {
  const all = { taker: program.pid, bus: pids.bus, storage: pids.storage, ...cluster.pids };
  const entries = Object.entries(all).map(async ([name, pid]) => [name, (await cpuMs(pid)) ?? Number.NaN] as const);
  return Object.fromEntries(await Promise.all(entries));
}

function cpuPer(before: Cpu, after: Cpu, things: number): Cpu {
  return Object.fromEntries(
    Object.entries(after).map(([name, ms]) => [name, (ms - (before[name] ?? Number.NaN)) / things]),
  );
}
