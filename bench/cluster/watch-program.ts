import { setTimeout as wait } from "node:timers/promises";
import { Deliveries } from "../deliveries.ts";
import { cpuMs, type Program } from "../processes.ts";
import type { Sending } from "../sending.ts";
import type { Servers } from "../servers.ts";
import { Ticking } from "../ticking.ts";
import { type ApiServerUse, less, per } from "./api-server-use.ts";
import type { RealCluster } from "./real-cluster.ts";
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
  readonly ticks: number;
}

/** Processor ms, by the names of the processes. */
type Cpu = Readonly<Record<string, number>>;

/** The figures of the app, or of the bare calls, beside the Jobs at work. */
export interface ProgramFigures {
  /** The figures of the ticks while no message was sent, per tick. */
  readonly quiet: { readonly ms: readonly number[]; readonly use: ApiServerUse; readonly cpu: Cpu };
  /**
   * The figures while messages were accepted and settled: the time of each tick and message, and the processor ms per
   * message.
   */
  readonly busy: { readonly ms: readonly number[]; readonly latenciesMs: readonly number[]; readonly cpu: Cpu };
  readonly peakMib: number | undefined;
}

/** The servers and the sender of a measurement on a cluster. */
export interface ClusterBench {
  readonly servers: Servers;
  readonly cluster: RealCluster;
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

/**
 * How many processor ms the control plane may use in a tick that counts as quiet. It works on for minutes when all pods
 * run.
 */
const REST_MS = 500;
/** After how many ticks the bench stops waiting for quiet. The processor times in the report show that. */
const MOST_TICKS_TO_REST = 60;
/** The processes that work by themselves. The others of the control plane work only when asked. */
const OWN_WORK = ["kube-controller-manager", "kube-scheduler", "kwok"];

/** Watches a program during some quiet ticks, and then while messages are accepted and settled. */
export async function watchProgram(
  bench: ClusterBench,
  program: Program,
  output: ProgramOutput,
): Promise<ProgramFigures> {
  const { servers, cluster, options, progress } = bench;
  const { ticking, settlements } = output;
  await untilAtRest(bench, ticking);
  progress(`${options.ticks} ticks`);
  const cpu = () => cpuOf(program, servers, cluster);
  const [useBefore, cpuBefore] = [await cluster.use(), await cpu()];
  const ticksBefore = ticking.ticks.length;
  for (let tick = 0; tick < options.ticks; tick += 1) await ticking.next();
  const [useAfter, cpuAfter] = [await cluster.use(), await cpu()];
  const quiet = ticking.ticks.slice(ticksBefore, ticksBefore + options.ticks);
  const wrong = quiet.find(({ open, atWork }) => open !== options.open || atWork !== options.open);
  if (wrong) throw new Error(`a tick over ${options.open} active Jobs saw ${JSON.stringify(wrong)}`);

  progress(`sending ${options.messages} messages, ${options.perSecond} per second`);
  const watching = await cluster.admin.watchJobs(settlements.takeEvent);
  const goal = settlements.count + options.messages;
  const [busyBefore, cpuBusyBefore] = [ticking.ticks.length, await cpu()];
  await sendAtPace(bench, options.messages);
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

/** Resolves at the end of a tick in which the control plane was quiet. */
async function untilAtRest({ cluster, progress }: ClusterBench, ticking: Ticking): Promise<void> {
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
  progress(`the control plane was not at rest after ${MOST_TICKS_TO_REST} ticks; measuring all the same`);
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
