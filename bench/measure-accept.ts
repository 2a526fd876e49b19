import { EventEmitter, once } from "node:events";
import { BareCluster } from "../local/kit/cluster-access.ts";
import { Deliveries } from "./deliveries.ts";
import { cpuMs, type Processes, type Program, spentMs } from "./processes.ts";
import { makeSending } from "./sending.ts";
import {
  type Connections,
  countRequests,
  countsPer,
  QUEUES,
  type RequestCounts,
  type Servers,
  startBare,
  startServers,
} from "./servers.ts";
import { NO_TICKS, USUAL_TICKS } from "./ticking.ts";

/** What is measured: the app, or the bare calls. */
export type Measured = "app" | "bare";

/** How many messages are accepted before anything is measured, so that code and connections are warm. */
const WARM_UP = 300;
/** How many messages are sent one at a time. */
const SINGLES = 100;
const SINGLES_WARM_UP = 20;
/** How many messages the counted requests are shared out among. */
const COUNTED = 100;

/** The figures of one round. */
export interface AcceptRound {
  readonly perSecond: number;
  /** The ms from the send of a message until the cluster reports its Job, for messages that were sent one at a time. */
  readonly latenciesMs: readonly number[];
  /** Processor ms of the program for each of these; NaN if the platform doesn't tell. */
  readonly cpuMsOfSingle: number;
  /** Processor ms per message, if many are there at once; undefined if the platform doesn't tell. */
  readonly cpu:
    | { readonly program: number; readonly bus: number; readonly storage: number; readonly cluster: number }
    | undefined;
  readonly peakMib: number | undefined;
  /** The deliveries that did not get a Job at once, by outcome. */
  readonly others: ReadonlyMap<string, number>;
}

/** Measures one round of so many messages, on servers of its own. */
export async function measureAccept(processes: Processes, measured: Measured, messages: number): Promise<AcceptRound> {
  const servers = await startServers(processes);
  const sending = makeSending(servers.connections.serviceBus);
  const deliveries = new Deliveries();
  const program = await startMeasured(processes, servers, measured, { onLine: deliveries.take, schedule: USUAL_TICKS });
  await sending.send(WARM_UP);
  await deliveries.until(WARM_UP);
  const { latenciesMs, cpuMs: cpuMsOfSingle } = await sendSingly(servers, sending, deliveries, program);

  const cpuBefore = await cpuOf(program, servers);
  const goal = deliveries.count + messages;
  const startedAt = performance.now();
  await sending.send(messages);
  await deliveries.until(goal);
  const seconds = (performance.now() - startedAt) / 1000;
  const cpuAfter = await cpuOf(program, servers);

  await sending.close();
  const peakMib = await program.stop();
  await servers.stop();
  const [before, after] = [cpuBefore, cpuAfter];
  return {
    perSecond: messages / seconds,
    latenciesMs,
    cpuMsOfSingle,
    cpu: before && after && perMessage(before, after, messages),
    peakMib,
    others: deliveries.others(),
  };
}

/** Counts the requests that one message costs, on servers of its own. Rejects if a message gets no Job at once. */
export async function countAccept(processes: Processes, measured: Measured): Promise<RequestCounts> {
  const servers = await startServers(processes);
  const counted = await countRequests(servers);
  const sending = makeSending(servers.connections.serviceBus);
  const deliveries = new Deliveries();
  const program = await startMeasured(processes, servers, measured, {
    onLine: deliveries.take,
    schedule: NO_TICKS,
    connections: counted.connections,
  });
  // The first messages cost more, because the app makes the table, registers the source and counts the open runs.
  await sending.send(COUNTED);
  await deliveries.until(COUNTED);
  const before = counted.counts();
  await sending.send(COUNTED);
  await deliveries.until(2 * COUNTED);
  const counts = countsPer(before, counted.counts(), COUNTED);
  deliveries.require("dispatched", 2 * COUNTED);
  await sending.close();
  await program.stop();
  await counted.close();
  await servers.stop();
  return counts;
}

function startMeasured(
  processes: Processes,
  servers: Servers,
  measured: Measured,
  options: { onLine: (line: string) => void; schedule: string; connections?: Connections },
): Promise<Program> {
  if (measured === "app") return servers.startApp(options);
  return startBare(processes, options.connections ?? servers.connections, ["accept", ...QUEUES], options.onLine);
}

/**
 * Sends messages one at a time. Each waits until the Job of the one before is created and its delivery is handled.
 * Resolves to the latencies, and to the program's processor ms for each message.
 */
async function sendSingly(
  servers: Servers,
  sending: { send(count: number): Promise<void> },
  deliveries: Deliveries,
  { pid }: Program,
): Promise<{ readonly latenciesMs: readonly number[]; readonly cpuMs: number }> {
  const cluster = new BareCluster(servers.access);
  const created = new EventEmitter();
  const watch = await cluster.watchJobs((line) => {
    if (line.startsWith('{"type":"ADDED"')) created.emit("job", performance.now());
  });
  const sendOne = async (): Promise<number> => {
    const job: Promise<number[]> = once(created, "job");
    const goal = deliveries.count + 1;
    const sentAt = performance.now();
    const [[createdAt = Number.NaN]] = await Promise.all([job, sending.send(1), deliveries.until(goal)]);
    return createdAt - sentAt;
  };
  for (let index = 0; index < SINGLES_WARM_UP; index += 1) await sendOne();
  const latenciesMs: number[] = [];
  const before = await spentMs(pid);
  for (let index = 0; index < SINGLES; index += 1) latenciesMs.push(await sendOne());
  const after = await spentMs(pid);
  watch.stop();
  cluster.close();
  return { latenciesMs, cpuMs: (after - before) / SINGLES };
}

type Cpu = NonNullable<AcceptRound["cpu"]>;

async function cpuOf(running: Program, { pids }: Servers): Promise<Cpu | undefined> {
  const all = [running.pid, pids.bus, pids.storage, pids.cluster];
  const [program, bus, storage, cluster] = await Promise.all(all.map(cpuMs));
  if (program === undefined || bus === undefined || storage === undefined || cluster === undefined) return undefined;
  return { program, bus, storage, cluster };
}

function perMessage(before: Cpu, after: Cpu, messages: number): Cpu {
  const per = (name: keyof Cpu) => (after[name] - before[name]) / messages;
  return { program: per("program"), bus: per("bus"), storage: per("storage"), cluster: per("cluster") };
}
