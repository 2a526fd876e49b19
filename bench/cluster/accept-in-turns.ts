import { type Accepted, makeAccepting } from "../accepting.ts";
import { Deliveries } from "../deliveries.ts";
import type { Processes, Program } from "../processes.ts";
import { type Servers, startBare, startServers } from "../servers.ts";
import type { Pairs } from "../table.ts";
import { NO_TICKS } from "../ticking.ts";
import { type BenchNamespace, type RealCluster, withNamespace } from "./real-cluster.ts";

const QUEUE = "accepted";
/** How many messages come before anything is measured, so that code and connections are warm. */
const WARM_UP = 300;
/** How many messages each round takes on. */
const MESSAGES = 200;

export interface AcceptOptions {
  readonly rounds: number;
  /** The text of a module that takes the messages of a queue, and has a slot for each. */
  readonly moduleText: (queue: string) => string;
  readonly body: string;
}

/**
 * Has the app and the bare calls accept messages on one API server. Both run all the while, each with a bus, a storage
 * and a namespace of its own, and take turns, so that other work of the machine slows both. There are no ticks.
 */
export async function acceptInTurns(
  processes: Processes,
  cluster: RealCluster,
  options: AcceptOptions,
  progress: (what: string) => void,
): Promise<Pairs<Accepted>> {
  const onServers = async (
    { kubeconfig, namespace }: BenchNamespace,
    start: (servers: Servers, onLine: (line: string) => void) => Promise<Program>,
  ) => {
    const servers = await startServers(processes, {
      modules: { [QUEUE]: options.moduleText(QUEUE) },
      body: options.body,
      // The cluster stays when these servers end.
      startCluster: async () => ({ kubeconfig, namespace, pid: cluster.pid, stop: async () => {} }),
    });
    const deliveries = new Deliveries();
    const accepting = makeAccepting([await start(servers, deliveries.take)], deliveries, servers.connections);
    return { servers, accepting, figures: [] as Accepted[] };
  };
  return withNamespace(cluster, (forApp) =>
    withNamespace(cluster, async (forBare) => {
      const app = await onServers(forApp, (servers, onLine) => servers.startApp({ schedule: NO_TICKS, onLine }));
      const bare = await onServers(forBare, ({ connections }, onLine) =>
        startBare(processes, connections, ["accept", QUEUE], onLine),
      );
      const each = [app, bare];
      for (const { accepting } of each) await accepting.accept(QUEUE, WARM_UP);
      for (let round = 1; round <= options.rounds; round += 1) {
        progress(`accepting ${MESSAGES} messages: round ${round} of ${options.rounds}`);
        for (const { accepting, figures } of each) figures.push(await accepting.accept(QUEUE, MESSAGES));
        // The other one is first in the next round.
        each.reverse();
      }
      for (const { accepting, servers } of each) {
        await accepting.stop();
        await servers.stop();
      }
      return { app: app.figures, bare: bare.figures };
    }),
  );
}
