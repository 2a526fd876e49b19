import { setTimeout as wait } from "node:timers/promises";
import { eventually } from "../../real-cluster/server-process.ts";
import type { Accepted } from "../accepting.ts";
import type { Processes } from "../processes.ts";
import { bodyOf } from "../sample-run.ts";
import { makeSending } from "../sending.ts";
import { startBare, startServers } from "../servers.ts";
import type { Pairs } from "../table.ts";
import { USUAL_TICKS } from "../ticking.ts";
import { acceptInTurns } from "./accept-in-turns.ts";
import { type ApiUse, countApi, less, per, withoutWhole } from "./counted-api.ts";
import { type RealCluster, startRealCluster } from "./real-cluster.ts";
import { untilAtRest } from "./rest.ts";
import { fillSlots } from "./slots.ts";
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
/**
 * How many messages the bare calls settle before they are measured, so that code and connections are warm. The app's
 * are by then, because it has made the Jobs at work.
 */
const WARM_UP = 300;
/** How many messages are counted, and shared out among. */
const COUNTED = 50;
/**
 * How long the Jobs may take until all are at work. The cluster is slower than the app, because it starts a pod for
 * each Job.
 */
const AT_WORK_PATIENCE_MS = 600_000;
const LOOK_MS = 10_000;

const QUICK = "quick";
const LONG = "long";
/** Makes a module file. The fake nodes take the worker's first argument as the time that its pod runs. */
const moduleText = (name: string, runsFor: string, slots = 100_000) => `name: ${name}
source: { queue: ${name} }
maxActive: ${slots}
maxRunningTime: 24h
worker: { image: "busybox:1.36", command: [sleep], args: [${runsFor}], resources: { requests: { cpu: 100m, memory: 64Mi } } }
`;

/** The figures of one size of message. */
export interface ClusterFigures {
  readonly options: ClusterOptions;
  /** What the app and the bare calls accepted, without ticks. */
  readonly accepted: Pairs<Accepted>;
  /** How many short Jobs a second the app and the bare cluster got through a few slots. */
  readonly shortPerSecond: Pairs<number>;
  /** What the app asks of the API server for each message, without its lists and its watch. */
  readonly perMessage: ApiUse;
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
  const { rounds } = options;
  const accept = { rounds, body, moduleText: (queue: string) => moduleText(queue, "24h") };
  const accepted = await acceptInTurns(processes, cluster, accept, progress);
  // Thousands of Jobs of the namespaces that were deleted would keep the short ones waiting.
  await untilAtRest(cluster, () => wait(LOOK_MS), progress);
  const filling = { rounds, body, moduleText: (queue: string, slots: number) => moduleText(queue, "100ms", slots) };
  const shortPerSecond = await fillSlots(processes, cluster, filling, progress);

  const quick = makeSending(serviceBus, { queues: [QUICK], body });
  const api = await countApi(servers.connections.kubeconfig);
  const bench = { servers, cluster, api, quick, options, progress };
  const connections = { ...servers.connections, kubeconfig: api.kubeconfig };
  const output = new ProgramOutput();
  const app = await servers.startApp({ schedule: USUAL_TICKS, onLine: output.onLine, connections });
  const perMessage = await countMessages(bench, output);
  await openRuns(bench, output);
  const figuresOfApp = await watchProgram(bench, app, output);
  const bareOutput = new ProgramOutput();
  progress("the same as bare calls");
  const bare = await startBare(processes, connections, ["follow", QUICK], bareOutput.onLine);
  await quick.send(WARM_UP);
  await bareOutput.settlements.until(WARM_UP);
  const figuresOfBare = await watchProgram(bench, bare, bareOutput);
  await quick.close();
  await api.close();
  await servers.stop();
  return { options, accepted, shortPerSecond, perMessage, app: figuresOfApp, bare: figuresOfBare };
}

/** Has messages accepted and settled, and counts what the app asks for. */
async function countMessages(bench: ClusterBench, { ticking, settlements }: ProgramOutput): Promise<ApiUse> {
  const { api, progress } = bench;
  progress(`${COUNTED} messages`);
  // The first tick asks for things that are asked for once.
  await ticking.until(1);
  const before = api.use();
  await sendAtPace(bench, COUNTED);
  await settlements.until(COUNTED);
  await ticking.next();
  return per(withoutWhole(less(api.use(), before)), COUNTED);
}

/** Sends the messages whose Jobs stay at work. Resolves when the pods of all of them run. */
async function openRuns(
  { servers, cluster, options: { open }, progress }: ClusterBench,
  { deliveries, ticking }: ProgramOutput,
): Promise<void> {
  progress(`making ${open} Jobs`);
  const { serviceBus, body } = servers.connections;
  const sending = makeSending(serviceBus, { queues: [LONG], body });
  await sending.send(open);
  await deliveries.until(COUNTED + open);
  await sending.close();
  progress("waiting until all of them are at work");
  const pods = `/api/v1/namespaces/${cluster.namespace}/pods`;
  const areAtWork = await eventually(AT_WORK_PATIENCE_MS, async () => {
    await ticking.next();
    return (await cluster.admin.list(pods, { fieldSelector: "status.phase=Running" })).length === open;
  });
  if (!areAtWork) throw new Error(`not all of ${open} pods ran after ${AT_WORK_PATIENCE_MS / 60_000} minutes`);
}
