import type { Processes } from "../processes.ts";
import { bodyOf } from "../sample-run.ts";
import { makeSending } from "../sending.ts";
import { startBare, startServers } from "../servers.ts";
import { USUAL_TICKS } from "../ticking.ts";
import { type ApiServerUse, less, per } from "./api-server-use.ts";
import { type RealCluster, startRealCluster } from "./real-cluster.ts";
import {
  type ClusterBench,
  type ClusterOptions,
  type ProgramFigures,
  ProgramOutput,
  sendAtPace,
  watchProgram,
} from "./watch-program.ts";

/** How many nodes pretend to run the Jobs. */
const FAKE_NODES = 10;
/** How many messages are counted on the empty cluster. Each list is one page there. */
const COUNTED = 50;
/**
 * How long the Jobs may take until all are at work. The cluster is slower than the app, because it starts a pod for
 * each Job.
 */
const AT_WORK_PATIENCE_MS = 600_000;

const QUICK = "quick";
const LONG = "long";
/** Makes a module file. The fake nodes take the worker's first argument as the time that its pod runs. */
const moduleText = (name: string, runsFor: string) => `name: ${name}
source: { queue: ${name} }
maxActive: 100000
maxRunningTime: 24h
worker: { image: "busybox:1.36", command: [sleep], args: [${runsFor}], resources: { requests: { cpu: 100m, memory: 64Mi } } }
`;

/** The figures of one size of message. */
export interface ClusterFigures {
  readonly options: ClusterOptions;
  /** What the app asks of the API server for each message on an empty cluster, without the requests of its ticks. */
  readonly perMessage: ApiServerUse;
  readonly acceptedPerSecond: number;
  readonly app: ProgramFigures;
  readonly bare: ProgramFigures;
}

/** Measures the app and then the bare calls, on a cluster of their own. */
export async function measureOnCluster(
  processes: Processes,
  options: ClusterOptions,
  progress: (what: string) => void,
): Promise<ClusterFigures> {
  let cluster: RealCluster | undefined;
  const servers = await startServers(processes, {
    modules: { [LONG]: moduleText(LONG, "24h"), [QUICK]: moduleText(QUICK, "2s") },
    // The properties take the other 512 bytes.
    body: bodyOf(options.messageKib * 1024 - 512),
    async startCluster(directory) {
      cluster = await startRealCluster(processes, { directory, say: progress, fakeNodes: FAKE_NODES });
      return cluster;
    },
  });
  if (!cluster) throw new Error("no cluster was started");
  const { serviceBus, body } = servers.connections;
  const quick = makeSending(serviceBus, { queues: [QUICK], body });
  const bench = { servers, cluster, quick, options, progress };

  const output = new ProgramOutput();
  const app = await servers.startApp({ schedule: USUAL_TICKS, onLine: output.onLine });
  const perMessage = await countMessages(bench, output);
  const acceptedPerSecond = await openRuns(bench, output);
  const figuresOfApp = await watchProgram(bench, app, output);
  const bareOutput = new ProgramOutput();
  progress("the same as bare calls");
  const bare = await startBare(processes, servers.connections, ["follow", QUICK], bareOutput.onLine);
  const figuresOfBare = await watchProgram(bench, bare, bareOutput);
  await quick.close();
  await servers.stop();
  return { options, perMessage, acceptedPerSecond, app: figuresOfApp, bare: figuresOfBare };
}

/** Has messages accepted and settled on the empty cluster, and counts what the app asks for. */
async function countMessages(bench: ClusterBench, output: ProgramOutput): Promise<ApiServerUse> {
  const { cluster, progress } = bench;
  progress(`${COUNTED} messages on the empty cluster`);
  const { ticking, settlements } = output;
  // The count begins right after a tick, so that it holds the requests of whole ticks, which can be subtracted.
  await ticking.next();
  const quiet = await cluster.use();
  await ticking.next();
  const before = await cluster.use();
  const perTick = less(before, quiet);
  const ticksBefore = ticking.ticks.length;
  await sendAtPace(bench, COUNTED);
  await settlements.until(COUNTED);
  await ticking.next();
  const after = await cluster.use();
  const ticks = ticking.ticks.length - ticksBefore;
  return per(less(less(after, before), perTick, ticks), COUNTED);
}

/**
 * Sends the messages whose Jobs stay at work. Resolves when all of them are, to the number of messages accepted per
 * second.
 */
async function openRuns(
  { servers, options: { open }, progress }: ClusterBench,
  output: ProgramOutput,
): Promise<number> {
  progress(`making ${open} Jobs`);
  const { serviceBus, body } = servers.connections;
  const sending = makeSending(serviceBus, { queues: [LONG], body });
  const startedAt = performance.now();
  await sending.send(open);
  await output.deliveries.until(COUNTED + open);
  const seconds = (performance.now() - startedAt) / 1000;
  await sending.close();
  progress("waiting until all of them are at work");
  await output.ticking.next(({ atWork }) => atWork === open, AT_WORK_PATIENCE_MS);
  return open / seconds;
}
