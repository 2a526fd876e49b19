import type { Processes } from "../processes.ts";
import { bodyOf } from "../sample-run.ts";
import { makeSending } from "../sending.ts";
import { startBare, startServers } from "../servers.ts";
import { type ApiServerUse, less, per } from "./api-server-use.ts";
import { type RealCluster, startRealCluster } from "./real-cluster.ts";
import { type ClusterOptions, type Seen, type Stage, sendAtPace, Taker, watchTaker } from "./watch-taker.ts";

/** The app's default. */
const USUAL_TICKS = "*/10 * * * * *";
/** Of messages that come and go on an empty cluster, where each list is one page. */
const COUNTED = 50;
/** The cluster is slower than the app: it schedules and starts a pod for each Job. */
const AT_WORK_PATIENCE_MS = 600_000;

const QUICK = "quick";
const LONG = "long";
/** What its fake nodes go by is the first argument: how long the pod runs. */
const moduleText = (name: string, runsFor: string) => `name: ${name}
source: { queue: ${name} }
maxActive: 100000
maxRunningTime: 24h
worker: { image: "busybox:1.36", command: [sleep], args: [${runsFor}], resources: { requests: { cpu: 100m, memory: 64Mi } } }
`;

export interface ClusterFigures {
  readonly options: ClusterOptions;
  /** The app alone, on an empty cluster: what each message asks of the API server, its share of ticks left out. */
  readonly perMessage: ApiServerUse;
  readonly acceptedPerSecond: number;
  readonly app: Seen;
  readonly bare: Seen;
}

/** Measures on a cluster of its own, the app first. */
export async function measureOnCluster(
  processes: Processes,
  options: ClusterOptions,
  progress: (what: string) => void,
): Promise<ClusterFigures> {
  let cluster: RealCluster | undefined;
  const servers = await startServers(processes, {
    modules: { [LONG]: moduleText(LONG, "24h"), [QUICK]: moduleText(QUICK, "2s") },
    // The rest is for the properties.
    body: bodyOf(options.messageKib * 1024 - 512),
    async startCluster(directory) {
      cluster = await startRealCluster(processes, directory, progress);
      return cluster;
    },
  });
  if (!cluster) throw new Error("no cluster was started");
  const { serviceBus, body } = servers.connections;
  const quick = makeSending(serviceBus, { queues: [QUICK], body });
  const stage = { servers, cluster, quick, options, progress };

  const taker = new Taker();
  const app = await servers.startApp({ schedule: USUAL_TICKS, onLine: taker.onLine });
  const perMessage = await countMessages(stage, taker);
  const acceptedPerSecond = await openRuns(stage, taker);
  const seenOfApp = await watchTaker(stage, app, taker);
  const bareTaker = new Taker();
  progress("the same as bare calls");
  const bare = await startBare(processes, servers.connections, ["follow", QUICK], bareTaker.onLine);
  const seenOfBare = await watchTaker(stage, bare, bareTaker);
  await quick.close();
  await servers.stop();
  return { options, perMessage, acceptedPerSecond, app: seenOfApp, bare: seenOfBare };
}

/** Has messages come and go on the empty cluster, and counts what they ask for. */
async function countMessages(stage: Stage, taker: Taker): Promise<ApiServerUse> {
  const { cluster, progress } = stage;
  progress(`${COUNTED} messages on the empty cluster`);
  const { ticking, settlements } = taker;
  // After a tick, so that no other's requests are among them but those of the whole ticks that are counted.
  await ticking.next();
  const quiet = await cluster.use();
  await ticking.next();
  const before = await cluster.use();
  const perTick = less(before, quiet);
  const ticksBefore = ticking.ticks.length;
  await sendAtPace(stage, COUNTED);
  await settlements.until(COUNTED);
  await ticking.next();
  const after = await cluster.use();
  const ticks = ticking.ticks.length - ticksBefore;
  return per(less(less(after, before), perTick, ticks), COUNTED);
}

/** Sends the messages whose Jobs stay, and resolves once all of them are at work, to how many a second the app took on. */
async function openRuns({ servers, options: { open }, progress }: Stage, taker: Taker): Promise<number> {
  progress(`making ${open} Jobs`);
  const { serviceBus, body } = servers.connections;
  const sending = makeSending(serviceBus, { queues: [LONG], body });
  const startedAt = performance.now();
  await sending.send(open);
  await taker.deliveries.until(COUNTED + open);
  const seconds = (performance.now() - startedAt) / 1000;
  await sending.close();
  progress("waiting until all of them are at work");
  await taker.ticking.next(({ atWork }) => atWork === open, AT_WORK_PATIENCE_MS);
  return open / seconds;
}
