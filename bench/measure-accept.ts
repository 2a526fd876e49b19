import { EventEmitter, once } from "node:events";
import { BareCluster } from "../local/kit/cluster-access.ts";
import { Deliveries } from "./deliveries.ts";
import { cpuMs, type Processes, type Program } from "./processes.ts";
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

/** Who takes the messages on. */
export type Taker = "app" | "bare";

/** Brings code and connections up to speed before anything is measured. */
const WARM_UP = 300;
/** Of messages sent one at a time. */
const SINGLES = 100;
const SINGLES_WARM_UP = 20;
const COUNTED = 100;

/** Never, as far as a bench goes: while requests are counted, a tick's must not be among them. */
const NO_TICKS = "0 0 0 1 1 *";
/** The app's default. */
const USUAL_TICKS = "*/10 * * * * *";

/** One round on servers of its own. */
export interface AcceptRound {
  readonly perSecond: number;
  /** From the send to the creation of the Job, as the cluster tells it; one message at a time, ms. */
  readonly latenciesMs: readonly number[];
  /** Processor time per message, ms; undefined where the platform doesn't tell. */
  readonly cpu:
    | { readonly taker: number; readonly bus: number; readonly storage: number; readonly cluster: number }
    | undefined;
  readonly peakMib: number | undefined;
  /** Deliveries that did not come to a Job at once, by outcome. */
  readonly others: ReadonlyMap<string, number>;
}

/** Measures one round of so many messages. */
export async function measureAccept(processes: Processes, taker: Taker, messages: number): Promise<AcceptRound> {
  const servers = await startServers(processes);
  const sending = makeSending(servers.connections.serviceBus);
  const deliveries = new Deliveries();
  const program = await startTaker(processes, servers, taker, { onLine: deliveries.take, schedule: USUAL_TICKS });
  await sending.send(WARM_UP);
  await deliveries.until(WARM_UP);
  const latenciesMs = await sendSingly(servers, sending, deliveries);

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
    cpu: before && after && perMessage(before, after, messages),
    peakMib,
    others: deliveries.others(),
  };
}

/** Counts the requests that one message costs, on servers of its own. */
export async function countAccept(processes: Processes, taker: Taker): Promise<RequestCounts> {
  const servers = await startServers(processes);
  const counted = await countRequests(servers);
  const sending = makeSending(servers.connections.serviceBus);
  const deliveries = new Deliveries();
  const program = await startTaker(processes, servers, taker, {
    onLine: deliveries.take,
    schedule: NO_TICKS,
    connections: counted.connections,
  });
  // The first ones make the table, register the source, and count the open runs.
  await sending.send(COUNTED);
  await deliveries.until(COUNTED);
  const before = counted.counts();
  await sending.send(COUNTED);
  await deliveries.until(2 * COUNTED);
  const counts = countsPer(before, counted.counts(), COUNTED);
  await sending.close();
  await program.stop();
  await counted.close();
  await servers.stop();
  return counts;
}

function startTaker(
  processes: Processes,
  servers: Servers,
  taker: Taker,
  options: { onLine: (line: string) => void; schedule: string; connections?: Connections },
): Promise<Program> {
  if (taker === "app") return servers.startApp(options);
  return startBare(processes, options.connections ?? servers.connections, ["accept", ...QUEUES], options.onLine);
}

/** One message, its Job, the end of its delivery; then the next one. */
async function sendSingly(servers: Servers, sending: { send(count: number): Promise<void> }, deliveries: Deliveries) {
  const cluster = new BareCluster(servers.access);
  const created = new EventEmitter();
  const watch = await cluster.watchJobs((line) => {
    if (line.startsWith('{"type":"ADDED"')) created.emit("job", performance.now());
  });
  const latenciesMs: number[] = [];
  for (let index = 0; index < SINGLES_WARM_UP + SINGLES; index += 1) {
    const job: Promise<number[]> = once(created, "job");
    const goal = deliveries.count + 1;
    const sentAt = performance.now();
    const [[createdAt = Number.NaN]] = await Promise.all([job, sending.send(1), deliveries.until(goal)]);
    if (index >= SINGLES_WARM_UP) latenciesMs.push(createdAt - sentAt);
  }
  watch.stop();
  cluster.close();
  return latenciesMs;
}

type Cpu = NonNullable<AcceptRound["cpu"]>;

async function cpuOf(program: Program, { pids }: Servers): Promise<Cpu | undefined> {
  const all = [program.pid, pids.bus, pids.storage, pids.cluster];
  const [taker, bus, storage, cluster] = await Promise.all(all.map(cpuMs));
  if (taker === undefined || bus === undefined || storage === undefined || cluster === undefined) return undefined;
  return { taker, bus, storage, cluster };
}

function perMessage(before: Cpu, after: Cpu, messages: number): Cpu {
  const per = (name: keyof Cpu) => (after[name] - before[name]) / messages;
  return { taker: per("taker"), bus: per("bus"), storage: per("storage"), cluster: per("cluster") };
}
