import { setTimeout as wait } from "node:timers/promises";
import { Deliveries } from "../deliveries.ts";
import { cpuMs, type Program } from "../processes.ts";
import type { Sending } from "../sending.ts";
import type { Servers } from "../servers.ts";
import { type Tick, Ticking } from "../ticking.ts";
import { type ApiUse, type CountedApi, less, per, podLists } from "./counted-api.ts";
import type { RealCluster } from "./real-cluster.ts";
import { untilAtRest } from "./rest.ts";
import { Settlements } from "./settlements.ts";

/** What a measurement on a cluster does. */
export interface ClusterOptions {
  /** How many Jobs are at work all the time. */
  readonly open: number;
  /** How many more messages are accepted and settled meanwhile. */
  readonly messages: number;
  /** How many of these are sent each second. */
  readonly perSecond: number;
  /** The size of a message, with its properties. */
  readonly messageKib: number;
  /** How many minutes are watched without messages. */
  readonly minutes: number;
  /** How often the app and the others take turns to accept messages, and to run short Jobs. */
  readonly rounds: number;
}

/** Processor ms, by the names of the processes. */
type Cpu = Readonly<Record<string, number>>;

/** The figures of the app, or of the bare calls, beside the Jobs at work. */
export interface ProgramFigures {
  /**
   * The figures while no message was sent: the time of each tick, by whether it listed all Jobs, what was asked of the
   * API server and the processor ms, each per minute.
   */
  readonly quiet: {
    readonly listingMs: readonly number[];
    readonly lightMs: readonly number[];
    readonly use: ApiUse;
    readonly cpu: Cpu;
  };
  /**
   * The figures while messages were accepted and settled: the time of each tick and message, what was asked of the API
   * server per minute, and the processor ms per message.
   */
  readonly busy: {
    readonly ms: readonly number[];
    readonly latenciesMs: ReturnType<Settlements["latenciesMs"]>;
    readonly use: ApiUse;
    readonly cpu: Cpu;
  };
  readonly peakMib: number | undefined;
}

/** The servers and the sender of a measurement on a cluster. */
export interface ClusterBench {
  readonly servers: Servers;
  readonly cluster: RealCluster;
  /** Counts what the measured program asks of the API server. */
  readonly api: CountedApi;
  /** Sends to the queue whose Jobs end after two seconds. */
  readonly quick: Sending;
  readonly options: ClusterOptions;
  readonly progress: (what: string) => void;
}

/** Reads the lines of a measured program: its ticks, its deliveries and its settlements. */
export class ProgramOutput {
  readonly ticking = new Ticking();
  readonly deliveries = new Deliveries();
  readonly settlements = new Settlements();
  /** Takes one line of the program. */
  readonly onLine = (line: string): void => {
    this.ticking.take(line);
    this.deliveries.take(line);
    this.settlements.takeLine(line);
  };
}

/** The app's usual schedule, which the bare calls have, too. */
const TICKS_PER_MINUTE = 6;

/** Watches a program during some quiet minutes, and then while messages are accepted and settled. */
export async function watchProgram(
  bench: ClusterBench,
  program: Program,
  output: ProgramOutput,
): Promise<ProgramFigures> {
  const { servers, cluster, api, options, progress } = bench;
  const { ticking, settlements } = output;
  const { open, minutes, messages, perSecond } = options;
  await ticking.next();
  await untilAtRest(cluster, () => ticking.next(), progress);
  progress(`${minutes} minutes without messages`);
  const cpu = () => cpuOf(program, servers, cluster);
  // The minutes begin right after a tick that listed, so that each has one such tick of the app.
  for (let isListing = false; !isListing; ) ({ isListing } = await nextTick(ticking, api));
  const [useBefore, cpuBefore] = [api.use(), await cpu()];
  const quiet: SeenTick[] = [];
  while (quiet.length < minutes * TICKS_PER_MINUTE) quiet.push(await nextTick(ticking, api));
  const [useAfter, cpuAfter] = [api.use(), await cpu()];
  if (quiet.some((tick) => tick.open !== open || tick.atWork !== open))
    throw new Error(`some of these ticks beside ${open} Jobs at work saw others: ${JSON.stringify(quiet)}`);

  progress(`sending ${messages} messages, ${perSecond} per second`);
  const watches = [
    await cluster.admin.watchJobs(settlements.takeEvent),
    await cluster.admin.watchPods(settlements.takePodEvent),
  ];
  const goal = settlements.count + messages;
  const busyMinutes = Math.ceil(messages / perSecond / 60);
  await ticking.next();
  const [useBusyBefore, cpuBusyBefore, busyBefore] = [api.use(), await cpu(), ticking.ticks.length];
  await Promise.all([sendAtPace(bench, messages), passMinutes(ticking, busyMinutes)]);
  const useBusyAfter = api.use();
  await settlements.until(goal);
  await ticking.next();
  const cpuBusyAfter = await cpu();
  for (const watch of watches) watch.stop();
  const peakMib = await program.stop();
  return {
    quiet: {
      listingMs: quiet.filter(({ isListing }) => isListing).map(({ ms }) => ms),
      lightMs: quiet.filter(({ isListing }) => !isListing).map(({ ms }) => ms),
      use: per(less(useAfter, useBefore), minutes),
      cpu: cpuPer(cpuBefore, cpuAfter, minutes),
    },
    busy: {
      ms: ticking.ticks.slice(busyBefore).map(({ ms }) => ms),
      latenciesMs: settlements.latenciesMs(),
      use: per(less(useBusyAfter, useBusyBefore), busyMinutes),
      cpu: cpuPer(cpuBusyBefore, cpuBusyAfter, messages),
    },
    peakMib,
  };
}

/** A tick, and whether it listed everything. The others are light. */
interface SeenTick extends Tick {
  readonly isListing: boolean;
}

async function nextTick(ticking: Ticking, api: CountedApi): Promise<SeenTick> {
  const before = podLists(api.use());
  const tick = await ticking.next();
  return { ...tick, isListing: podLists(api.use()) > before };
}

/** Resolves when so many minutes have passed, by the ticks. */
async function passMinutes(ticking: Ticking, minutes: number): Promise<void> {
  for (let tick = 0; tick < minutes * TICKS_PER_MINUTE; tick += 1) await ticking.next();
}

/** Sends so many messages at the pace of the options. */
export async function sendAtPace({ quick, options: { perSecond } }: ClusterBench, count: number): Promise<void> {
  const startedAt = performance.now();
  for (let sent = 0; sent < count; sent += 1) {
    await wait(Math.max(0, startedAt + (sent * 1000) / perSecond - performance.now()));
    await quick.send(1);
  }
}

async function cpuOf(program: Program, { pids }: Servers, cluster: RealCluster): Promise<Cpu> {
  const all = { program: program.pid, bus: pids.bus, storage: pids.storage, ...cluster.pids };
  const entries = Object.entries(all).map(async ([name, pid]) => [name, (await cpuMs(pid)) ?? Number.NaN] as const);
  return Object.fromEntries(await Promise.all(entries));
}

function cpuPer(before: Cpu, after: Cpu, things: number): Cpu {
  return Object.fromEntries(
    Object.entries(after).map(([name, ms]) => [name, (ms - (before[name] ?? Number.NaN)) / things]),
  );
}
